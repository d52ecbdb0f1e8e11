#pragma once

#include <cstdint>
#include <functional>

namespace twinstream {

/// 64 uniformly distributed bits a call. The engine draws from the one it was given, so that a simulation repeats.
using Random = std::function<std::uint64_t()>;

/// Seeded from the operating system. Not thread safe: one per owner.
Random system_random();

}  // namespace twinstream
