#include "proxy/http/api_responses.h"

namespace twinstream::http {
namespace {

Response try_again(const Failure& failure) {
  Response response = text_response(503, "Server Is Not Ready", failure.reason);
  response.headers.add("Retry-After", std::string(retry_after_seconds));
  return response;
}

Response wrong_version(const Failure& failure) {
  Response response = text_response(400, "Wrong expected EventNumber");
  const std::string version = failure.actual ? std::to_string(*failure.actual) : "-1";
  response.headers.add("ES-CurrentVersion", version);
  response.headers.add("Kurrent-CurrentVersion", version);
  return response;
}

}  // namespace

Response text_response(int status, std::string reason, std::string text) {
  Response response;
  response.status = status;
  response.reason = std::move(reason);
  response.headers.add("Content-Type", text.empty() ? "text/plain; charset=utf-8" : "text/plain");
  response.body = std::move(text);
  return response;
}

Response redirect(std::string location, std::string text) {
  Response response = text_response(307, "Temporary Redirect", std::move(text));
  response.headers.set("Content-Type", "text/plain; charset=utf-8");
  response.headers.add("Location", std::move(location));
  return response;
}

Response write_failure(const Failure& failure) {
  switch (failure.code) {
    case FailureCode::wrong_expected_revision: return wrong_version(failure);
    case FailureCode::stream_deleted: return text_response(410, "Stream deleted");
    case FailureCode::stream_not_found: return text_response(404, "Not Found");
    case FailureCode::id_conflict: return error_response(409, failure.reason);
    case FailureCode::rejected: return bad_request(failure.reason);
    case FailureCode::unknown_outcome:
      return text_response(500, "Write timeout",
                           "The outcome of this write is not known. Repeating it with the same event ids is safe: what "
                           "was written is not written again.");
    case FailureCode::unavailable:
    case FailureCode::cancelled: break;
  }
  return try_again(failure);
}

Response read_failure(const Failure& failure) {
  switch (failure.code) {
    case FailureCode::stream_not_found: return text_response(404, "Not Found");
    case FailureCode::stream_deleted: return text_response(410, "Deleted");
    case FailureCode::rejected: return bad_request(failure.reason);
    default: return try_again(failure);
  }
}

void add_mirror_state(Response& response, MirrorState state) {
  if (state == MirrorState::none) return;
  response.headers.set("Twinstream-Mirror", state == MirrorState::done ? "done" : "pending");
}

}  // namespace twinstream::http
