#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/grpc/call_status.h"
#include "proxy/grpc/user_file.h"

// Who may do what: EventStore's default access, stream rights in `$acl`, and `$settings` (reference, section 10.2). A
// server without users enforces nothing.

namespace twinstream::door {

struct Caller {
  std::string login;  ///< empty: anonymous
  std::vector<std::string> groups;
  bool unrestricted = false;  ///< the server has no users
  bool requires_leader = false;

  bool is_in(std::string_view group) const;
  bool is_admin() const { return unrestricted || login == "admin" || is_in("$admins"); }
};

/// What a caller must be for a call that is not about one stream.
enum class Need { nothing, login, operations, administration };

enum class StreamRight { read, write, erase };

/// The same caller with the groups of now; nobody when the user is gone or disabled. For calls that last.
Caller caller_now(UserFile* users, const Caller& caller);

CallStatus access_denied();
CallStatus check(const Caller& caller, Need need);
/// Reads the stream's metadata. `$all` and names with `$$` follow rules of their own.
Awaitable<CallStatus> check(EventLog& log, const Caller& caller, StreamRight right, std::string stream);

}  // namespace twinstream::door
