#include "proxy/core/random.h"

#include <random>

namespace twinstream {

Random system_random() {
  std::random_device device;
  std::seed_seq seed{device(), device(), device(), device()};
  return std::mt19937_64(seed);
}

}  // namespace twinstream
