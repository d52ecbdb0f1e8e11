#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace twinstream::postgres {

/// The positions above the low mark that were delivered, as intervals.
class DeliveredPositions {
 public:
  void add(std::uint64_t position);
  bool contains(std::uint64_t position) const;
  void drop_up_to(std::uint64_t low);
  std::size_t intervals() const { return intervals_.size(); }
  /// Open intervals (low, high) that hold every position above `low` and at or below `edge` that is not in here.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> holes(std::uint64_t low, std::uint64_t edge) const;

 private:
  std::map<std::uint64_t, std::uint64_t> intervals_;  ///< first -> last, both in it
};

/// The last delivered revision of streams, as far as memory reaches: streams that were quiet for long are forgotten.
class DeliveredHeads {
 public:
  explicit DeliveredHeads(std::size_t limit) : limit_(limit) {}

  std::optional<std::uint64_t> get(std::string_view stream) const;
  void set(std::string_view stream, std::uint64_t revision);
  /// Whether streams were ever forgotten.
  bool forgot() const { return forgot_; }

 private:
  using Map = std::unordered_map<std::uint64_t, std::uint64_t>;  ///< by hash of the name

  std::size_t limit_;
  Map recent_;
  Map older_;
  bool forgot_ = false;
};

}  // namespace twinstream::postgres
