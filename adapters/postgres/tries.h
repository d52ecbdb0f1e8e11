#pragma once

#include <algorithm>

namespace twinstream::postgres {

/// Something that is tried at every occasion as long as it succeeds, and ever more rarely while it does not: after n
/// failures in a row the next 2^(n-1) occasions pass without it, 64 at most.
class Tries {
 public:
  bool due() {
    if (rest_ == 0) return true;
    --rest_;
    return false;
  }
  void tell(bool success) {
    rest_ = success ? 0 : next_rest_;
    next_rest_ = success ? 1 : std::min(next_rest_ * 2, 64u);
  }

 private:
  unsigned rest_ = 0;
  unsigned next_rest_ = 1;
};

}  // namespace twinstream::postgres
