#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "proxy/core/log.h"
#include "proxy/grpc/messages.h"
#include "proxy/grpc/methods.h"
#include "proxy/grpc/services.h"
#include "proxy/protocol/operations.pb.h"

namespace twinstream::door {
namespace {

namespace operations = event_store::client::operations;

/// A scavenge that runs, or has run.
struct Scavenge {
  const std::string id = EventId::random().to_string();
  std::atomic<bool> stopped = false;
};

/// At most one at a time.
class Scavenges {
 public:
  struct Begun {
    std::shared_ptr<Scavenge> scavenge;
    bool fresh = false;  ///< false: it is running already
  };

  Begun begin() {
    std::scoped_lock lock(mutex_);
    const bool fresh = !running_;
    if (fresh) running_ = std::make_shared<Scavenge>();
    return {running_, fresh};
  }

  /// False when that is not the one running.
  bool stop(const std::string& id) {
    std::scoped_lock lock(mutex_);
    const bool known = running_ && running_->id == id;
    if (known) running_->stopped = true;
    return known;
  }

  void end() {
    std::scoped_lock lock(mutex_);
    running_.reset();
  }

 private:
  std::mutex mutex_;
  std::shared_ptr<Scavenge> running_;
};

class OperationsService final : public MethodTable {
 public:
  explicit OperationsService(Door& door) : MethodTable(door) {
    using namespace operations;
    add_unary<StartScavengeReq, ScavengeResp>(
        "/event_store.client.operations.Operations/StartScavenge",
        [this](Door&, StartScavengeReq request, ScavengeResp& response) { return start(std::move(request), response); },
        Need::operations);
    add_unary<StopScavengeReq, ScavengeResp>(
        "/event_store.client.operations.Operations/StopScavenge",
        [this](Door&, StopScavengeReq request, ScavengeResp& response) { return stop(std::move(request), response); },
        Need::operations);
    if (!door.stop) return;
    add_unary<wire::Empty, wire::Empty>("/event_store.client.operations.Operations/Shutdown", shutdown,
                                        Need::operations);
  }

 private:
  Awaitable<CallStatus> start(operations::StartScavengeReq request, operations::ScavengeResp& response) {
    if (!request.has_options()) co_return unknown("the options are missing");
    const auto begun = scavenges_.begin();
    response.set_scavenge_id(begun.scavenge->id);
    response.set_scavenge_result(begun.fresh ? operations::ScavengeResp::Started
                                             : operations::ScavengeResp::InProgress);
    if (begun.fresh) door_.tasks.spawn(door_.executor, run(begun.scavenge));
    co_return CallStatus{};
  }

  Awaitable<CallStatus> stop(operations::StopScavengeReq request, operations::ScavengeResp& response) {
    const std::string& id = request.options().scavenge_id();
    if (!scavenges_.stop(id)) {
      co_return CallStatus{
          StatusCode::not_found,
          "no such scavenge is running",
          {{"exception", "scavenge-not-found"}, {"scavenge-id", EventId::parse(id) ? id : std::string()}}};
    }
    response.set_scavenge_id(id);
    response.set_scavenge_result(operations::ScavengeResp::Stopped);
    co_return CallStatus{};
  }

  static Awaitable<CallStatus> shutdown(Door& door, wire::Empty, wire::Empty&) {
    door.stop();
    co_return CallStatus{};
  }

  /// Slice by slice, so that appends get their turn between them and a shutdown does not wait for the whole.
  Awaitable<void> run(std::shared_ptr<Scavenge> scavenge) {
    const auto key = door_.calls.add([scavenge] { scavenge->stopped = true; });
    // The call that started it is answered first.
    co_await boost::asio::post(door_.executor, boost::asio::use_awaitable);
    std::uint64_t removed = 0;
    ScavengeSlice slice;
    while (!slice.end && !scavenge->stopped) {
      const auto done = co_await door_.maintenance->scavenge(slice.next);
      if (!done.ok()) {
        log::error("the scavenge was given up", {{"reason", done.failure().reason}});
        break;
      }
      slice = *done;
      removed += slice.removed;
    }
    door_.calls.remove(key);
    scavenges_.end();
    log::info("the scavenge has ended",
              {{"complete", slice.end ? "yes" : "no"}, {"events_removed", std::to_string(removed)}});
  }

  Scavenges scavenges_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_operations_service(Door& door) { return std::make_unique<OperationsService>(door); }

}  // namespace twinstream::door
