#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "proxy/core/event_log.h"
#include "proxy/http/message.h"
#include "proxy/http/routes.h"

namespace twinstream::http {

/// The append that a request asks for, or the answer (400) that says what is wrong with it.
std::variant<AppendRequest, Response> read_append(const Route& route, const PathParameters& parameters,
                                                  const Request& request);

/// `any`, `none`, `exists`, `*`, or a number counting from `base`, also in quotes. Nothing for all else.
std::optional<ExpectedRevision> parse_expected_revision(std::string_view text, int base);

}  // namespace twinstream::http
