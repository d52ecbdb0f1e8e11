#pragma once

#include <cstdint>
#include <string>

#include "proxy/core/event_log.h"

// Between our values and the messages of the protocol. The generated messages are only named here.

namespace event_store::client {
class UUID;
namespace streams {
class BatchAppendReq_ProposedMessage;
class BatchAppendResp;
class AppendReq_ProposedMessage;
class AppendReq_Options;
class AppendResp;
class ReadResp_ReadEvent;
}  // namespace streams
}  // namespace event_store::client

namespace twinstream::eventstore {

namespace wire = event_store::client;

/// The number of a tombstone, and the truncation mark of a soft-deleted stream.
constexpr std::uint64_t deleted_revision = 9'223'372'036'854'775'807u;

void write_uuid(const EventId& id, wire::UUID& target);  ///< structured form
EventId read_uuid(const wire::UUID& source);             ///< either form; nil when it is none

/// `ticks` is decimal text: 100 ns since the Unix epoch.
Timestamp read_created(const std::string& ticks);

void write_event(const Event& event, wire::streams::BatchAppendReq_ProposedMessage& target);
void write_event(const Event& event, wire::streams::AppendReq_ProposedMessage& target);

/// The event itself, links unresolved. Takes the payload out of `source`.
RecordedEvent read_event(wire::streams::ReadResp_ReadEvent& source);

Result<Appended> read_answer(const wire::streams::BatchAppendResp& answer);
Result<Appended> read_answer(const wire::streams::AppendResp& answer);

/// Bytes of an event inside a request, at most.
std::size_t encoded_size(const Event& event);

}  // namespace twinstream::eventstore
