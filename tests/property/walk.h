#pragma once

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/property/client.h"
#include "tests/property/model.h"

namespace twinstream::property {

/// One user's random walk over streams of its own (`w<number>-...`), each step taken at the server and in the model and
/// the answers compared. Several walks run at once against one server: nobody else writes to this one's streams, so all
/// its answers are certain, those about the whole log as far as they are about its own events.
class Walk {
 public:
  Walk(std::uint64_t seed, unsigned number, const std::shared_ptr<grpc::Channel>& channel);

  /// Until so many calls are made or one answer is wrong; answers what is wrong with it.
  std::optional<std::string> run(std::uint64_t operations);
  /// Compares all its events, in the order of the whole log, and then each of its streams.
  std::optional<std::string> compare_everything(const std::vector<SeenEvent>& own_events, Client& client);

  std::uint64_t operations() const { return operations_; }
  std::uint64_t events() { return model_.log().size(); }

 private:
  using Problem = std::optional<std::string>;
  struct Request {
    std::string stream;
    ExpectedRevision expected;
    std::vector<Event> events;
  };

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  bool chance(std::uint64_t percent) { return below(100) < percent; }
  template <class T>
  const T& pick(const std::vector<T>& choices) {
    return choices[below(choices.size())];
  }

  Problem step();
  Problem append();
  Problem write_metadata();
  Problem remove();
  Problem read_stream();
  Problem read_all_filtered();
  Problem read_all();

  std::string name_of(std::size_t slot) const;
  std::string pick_stream();
  EventId new_id();
  Event new_event();
  ExpectedRevision pick_expectation(const std::string& stream);
  Request pick_request();
  Problem send(const Request& request);
  std::optional<std::size_t> pick_known_position();

  Problem compare(const Answer& expected, const WriteAnswer& answer);
  Problem compare(const Page& expected, const ReadAnswer& answer);
  Problem compare(const Entry& expected, const SeenEntry& seen);
  Problem compare(Stored& expected, const SeenEvent& seen);
  Problem learn_position(Stored& stored, std::uint64_t position);

  const unsigned number_;
  const std::string prefix_;
  std::mt19937_64 random_;
  Client client_;
  Model model_;
  std::vector<unsigned> generations_;  ///< by slot: a tombstoned stream is followed by the next one
  std::vector<Request> recent_;
  std::uint64_t newest_position_ = 0;
  std::uint64_t operations_ = 0;
  std::string doing_;  ///< the step under way, for people
};

}  // namespace twinstream::property
