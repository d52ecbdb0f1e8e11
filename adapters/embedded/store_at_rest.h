#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "proxy/core/maintenance.h"
#include "proxy/core/result.h"

// What is done to a store at rest. Both take the lock of the directory and refuse one that a server has.

namespace twinstream {

struct StoreReport {
  static constexpr std::size_t described = 20;

  std::uint64_t streams = 0;
  std::uint64_t events = 0;
  std::uint64_t soft_deleted = 0;  ///< streams
  std::uint64_t tombstoned = 0;    ///< streams
  std::uint64_t scavenged = 0;     ///< events that were removed on purpose
  std::uint64_t last_position = 0;
  std::uint64_t repeated_ids = 0;  ///< ids that occur again in their stream, which an append at the exact head may do
  std::uint64_t damages = 0;
  std::vector<std::string> damage;  ///< the first of them, in words

  bool whole() const { return damages == 0; }
};

/// Reads the whole store and changes nothing: SQLite's own check; revisions without gaps, positions that grow with them
/// and are all accounted for; ids, types and times of the events; heads and deletion states. A failure means that it
/// could not be checked, which says nothing about the store.
Result<StoreReport> verify_store(const std::filesystem::path& directory);

struct ScavengeReport {
  std::uint64_t removed = 0;  ///< events
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
};

/// Scavenges (see Scavenger) and gives the room back to the file system, for which the room of what is left must be free.
Result<ScavengeReport> scavenge_store(const std::filesystem::path& directory);

}  // namespace twinstream
