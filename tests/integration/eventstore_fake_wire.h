#pragma once

#include <string>

#include "proxy/protocol/streams.pb.h"
#include "tests/integration/eventstore_fake.h"

// The protocol's messages as the fake server understands and makes them.

namespace twinstream::testing {

void add_chunk(const event_store::client::streams::BatchAppendReq& chunk, SeenAppend& append);
void add_message(const event_store::client::streams::AppendReq& message, SeenAppend& append);
void set_error(event_store::client::streams::BatchAppendResp& answer, int code, const std::string& message,
               const std::string& detail_type, const std::string& detail_bytes);
event_store::client::streams::ReadResp message_of(const RecordedEvent& recorded);

/// Whether a finite read, or a subscription, is about this event.
bool in_range(const event_store::client::streams::ReadReq::Options& options, const RecordedEvent& event);
bool subscribed(const event_store::client::streams::ReadReq::Options& options, const RecordedEvent& event);

}  // namespace twinstream::testing
