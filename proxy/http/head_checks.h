#pragma once

#include <optional>

#include "proxy/http/head.h"
#include "proxy/http/parser.h"

namespace twinstream::http {

/// What a grammar does not see: a Host that is missing or ambiguous, transfer codings that we do not decode, targets
/// that name another thing than a path. Brings an absolute-form target into origin-form and fills `host`.
std::optional<Refusal> check(RequestHead& head);
std::optional<Refusal> check(ResponseHead& head);

}  // namespace twinstream::http
