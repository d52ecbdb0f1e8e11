#pragma once

#include <string>
#include <string_view>

#include "config/values.h"

namespace twinstream {

/// Replaces `${NAME}` by the environment variable and `${file:/path}` by the text of the file without its last line
/// end; `$${` stands for `${`. Problems never contain a value.
Problem substitute(std::string_view text, std::string& result);

}  // namespace twinstream
