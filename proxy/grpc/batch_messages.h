#pragma once

#include <chrono>
#include <string>

#include "proxy/grpc/call_status.h"
#include "proxy/grpc/messages.h"

namespace twinstream::door {

using BatchAnswer = wire::streams::BatchAppendResp;

/// What the answers to one append of a batch call carry.
struct BatchAddress {
  wire::UUID correlation;
  std::string stream;
};

/// How long the append may wait for its last chunk and its write: what is asked for, at most EventStore's own limit.
/// Not positive when the deadline has passed.
std::chrono::nanoseconds allowed_time(const wire::streams::BatchAppendReq::Options& options);

BatchAnswer appended_answer(const BatchAddress& address, const Appended& appended);
BatchAnswer failed_answer(const BatchAddress& address, ExpectedRevision expected, const Failure& failure);
BatchAnswer timeout_answer(const BatchAddress& address);
BatchAnswer too_large_answer(const BatchAddress& address, std::size_t limit);
BatchAnswer denied_answer(const BatchAddress& address);
BatchAnswer bad_request_answer(const BatchAddress& address, const std::string& message);
BatchAnswer busy_answer(const BatchAddress& address, const std::string& message);

}  // namespace twinstream::door
