#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proxy/persistent/message.h"
#include "proxy/persistent/settings.h"

namespace twinstream::persistent {

/// What a pinned strategy keeps together: the source stream (a link counts as the stream it points to), or the
/// correlation id in the metadata where there is one.
std::uint64_t pin_of(Strategy strategy, const Payload& payload);

/// Chooses among consumers by the group's strategy.
class ConsumerChoice {
 public:
  struct Candidate {
    ConsumerId id;
    bool free;
  };

  explicit ConsumerChoice(Strategy strategy) : strategy_(strategy) {}

  /// Index of the consumer that gets the message with this pin; nothing when those that may get it are full. Candidates
  /// come in the order in which they connected.
  std::optional<std::size_t> choose(const std::vector<Candidate>& candidates, std::uint64_t pin);

 private:
  std::optional<std::size_t> next_in_turn(const std::vector<Candidate>& candidates);

  Strategy strategy_;
  ConsumerId last_ = 0;
};

}  // namespace twinstream::persistent
