#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "adapters/postgres/batch.h"
#include "proxy/core/event_log.h"

namespace twinstream::postgres {

/// The heads that a connection's own commits left behind, as far as memory reaches: streams that were quiet for long
/// are forgotten. What another writer appended in the meantime is not in here: whoever writes at a head from here must
/// have the table refuse a revision that is taken. For one thread.
class KnownHeads {
 public:
  explicit KnownHeads(std::size_t limit) : limit_(limit) {}

  /// The first revision that each request gets when they are appended in this order. Nothing when a stream's head is
  /// not known, when a request's expectation does not fit it, or when a request has no events.
  std::optional<std::vector<std::uint64_t>> places(const Requests& requests) const;
  void learn(const Requests& requests, const std::vector<Result<Appended>>& answers);
  void clear();

 private:
  using Map = std::unordered_map<std::string, std::uint64_t>;

  std::optional<std::uint64_t> get(const std::string& stream) const;
  void set(const std::string& stream, std::uint64_t head);

  std::size_t limit_;
  Map recent_;
  Map older_;
};

}  // namespace twinstream::postgres
