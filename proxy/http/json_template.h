#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/core/event_log.h"
#include "proxy/core/result.h"

namespace twinstream::http {

/// JSON text in which `{name}` stands for values: as a whole string or unquoted for the value itself (a number, the
/// JSON of the data, a string), inside a longer string for its text. `{revision+1}` adds. `$events` is the array of
/// events.
class JsonTemplate {
 public:
  enum class Use { response, event };

  /// A failure (`rejected`) says what is wrong: no JSON, or a name that this use does not have.
  static Result<JsonTemplate> compile(std::string_view text, Use use);

  /// `events` is a JSON array. `base` is what the first revision is called.
  std::string render_response(std::string_view stream, std::uint64_t last_revision, std::size_t count,
                              std::string_view events, int base) const;
  std::string render_event(const RecordedEvent& event, int base) const;

 private:
  enum class Name { stream, revision, count, events, id, type, data, metadata, created };
  struct Part {
    std::string text;    ///< JSON text before the value
    bool whole = false;  ///< the value stands alone, as opposed to inside a string
    Name name = Name::stream;
    std::uint64_t add = 0;
  };
  struct Value {
    std::string text;
    bool json = false;  ///< `text` is JSON by itself
  };
  class Compiler;

  template <class ValueOf>
  std::string render(ValueOf value_of) const;

  std::vector<Part> parts_;
  std::string rest_;
};

}  // namespace twinstream::http
