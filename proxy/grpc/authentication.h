#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "proxy/core/result.h"
#include "proxy/grpc/access.h"
#include "proxy/grpc/user_file.h"

namespace twinstream {
struct TlsFiles;
}

namespace twinstream::door {

/// Encryption with these files, which are read again when they change. With `users`, a call that names a wrong user or
/// password ends UNAUTHENTICATED before any of our code sees it. Fails when the files do not fit together.
Result<std::shared_ptr<grpc::ServerCredentials>> server_credentials(const TlsFiles& files, UserFile* users);

/// Who makes the call. `users` may be null: then nothing is enforced.
Caller caller_of(UserFile* users, const grpc::ServerContextBase& context);

}  // namespace twinstream::door
