#include "proxy/core/result.h"

namespace twinstream {

std::string_view to_string(FailureCode code) {
  switch (code) {
    case FailureCode::wrong_expected_revision: return "wrong expected revision";
    case FailureCode::stream_deleted: return "stream deleted";
    case FailureCode::stream_not_found: return "stream not found";
    case FailureCode::id_conflict: return "event id conflict";
    case FailureCode::rejected: return "rejected";
    case FailureCode::unavailable: return "unavailable";
    case FailureCode::unknown_outcome: return "unknown outcome";
    case FailureCode::cancelled: return "cancelled";
  }
  return "?";
}

}  // namespace twinstream
