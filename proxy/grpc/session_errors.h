#pragma once

#include "proxy/grpc/access.h"
#include "proxy/grpc/call_status.h"

// The errors of protocol v2: a status, and in its details an ErrorInfo, then what belongs to its reason.

namespace twinstream::door {

/// As `check` of access.h. A denial keeps the trailer by which clients know it.
Awaitable<CallStatus> check_with_details(EventLog& log, const Caller& caller, StreamRight right, std::string stream);

CallStatus bad_request(std::string_view field, std::string reason);
CallStatus no_requests();
CallStatus already_in_session(const std::string& stream);
CallStatus record_too_large(const std::string& stream, const EventId& record, std::size_t size, std::size_t limit);
CallStatus transaction_too_large(std::size_t size, std::size_t limit);
CallStatus not_leader_node(const std::string& leader_host, std::uint16_t leader_port);
CallStatus not_ready(std::string reason);
/// What a failed append to several streams is to its caller.
CallStatus session_failure(const Failure& failure, const std::vector<std::string>& streams,
                           const std::vector<ExpectedRevision>& expected);

/// What a failed AppendRecords is: violations where checks do not hold or a stream without a check is tombstoned.
CallStatus records_failure(const Failure& failure, const std::vector<AppendRequest>& requests,
                           const std::vector<StreamCheck>& checks);

/// -1 no stream, -2 any, -4 stream exists, else the revision.
std::int64_t wire_expectation(ExpectedRevision expected);

}  // namespace twinstream::door
