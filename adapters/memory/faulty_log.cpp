#include "adapters/memory/faulty_log.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace twinstream {
namespace {

Failure refused() { return {FailureCode::unavailable, "the store does not answer (injected)", {}}; }
Failure unknown() { return {FailureCode::unknown_outcome, "the answer was lost (injected)", {}}; }

Awaitable<void> pause(Clock& clock, std::chrono::nanoseconds time) {
  if (time.count() > 0) co_await clock.sleep(time);
}

}  // namespace

class FaultyLog::FaultySubscription final : public Subscription {
 public:
  FaultySubscription(FaultyLog& log, std::unique_ptr<Subscription> inner, std::string stream, Position after)
      : log_(log), inner_(std::move(inner)), stream_(std::move(stream)), checkpoint_(after) {}

  Awaitable<Result<SubscriptionPage>> next() override {
    if (broken_) co_return refused();
    const InjectedFault injected = log_.inject_({"subscription", stream_});
    co_await pause(log_.clock_, injected.before);
    broken_ = injected.fault == Fault::refused || injected.fault == Fault::unanswered;
    if (broken_) co_return refused();
    auto page = co_await inner_->next();
    co_await pause(log_.clock_, injected.after);
    if (!page.ok()) co_return page;
    const bool held_back = injected.fault == Fault::answer_lost && !page->events.empty();
    if (held_back) page->checkpoint = checkpoint_;
    checkpoint_ = page->checkpoint;
    co_return page;
  }

  void close() override { inner_->close(); }

 private:
  FaultyLog& log_;
  std::unique_ptr<Subscription> inner_;
  std::string stream_;
  Position checkpoint_;
  bool broken_ = false;
};

FaultyLog::FaultyLog(EventLog& log, Clock& clock, Clock& network_clock, boost::asio::any_io_executor network,
                     Inject inject)
    : log_(log),
      clock_(clock),
      network_clock_(network_clock),
      network_(std::move(network)),
      inject_(std::move(inject)) {}

template <class T>
Awaitable<Result<T>> FaultyLog::read(std::string_view name, std::string stream, Operation<T> operation) {
  const InjectedFault injected = inject_({name, stream});
  co_await pause(clock_, injected.before);
  if (injected.fault != Fault::none && injected.fault != Fault::twice) co_return refused();
  auto answer = co_await operation();
  co_await pause(clock_, injected.after);
  co_return answer;
}

template <class T>
Awaitable<void> FaultyLog::do_late(Clock* clock, std::chrono::nanoseconds delay, Operation<T> operation) {
  co_await pause(*clock, delay);
  (void)co_await operation();
}

template <class T>
Awaitable<Result<T>> FaultyLog::write(InjectedFault injected, Operation<T> operation) {
  co_await pause(clock_, injected.before);
  if (injected.fault == Fault::refused) co_return refused();
  if (injected.fault == Fault::unanswered) co_return unknown();
  if (injected.fault == Fault::late) {
    boost::asio::co_spawn(network_, do_late<T>(&network_clock_, injected.after, std::move(operation)),
                          boost::asio::detached);
    co_return unknown();
  }
  auto answer = co_await operation();
  if (injected.fault == Fault::twice) answer = co_await operation();
  co_await pause(clock_, injected.after);
  if (injected.fault == Fault::answer_lost) co_return unknown();
  co_return answer;
}

Awaitable<Result<Appended>> FaultyLog::append(AppendRequest request) {
  const InjectedFault injected = inject_({"append", request.stream, &request});
  return write<Appended>(injected, [log = &log_, request = std::move(request)] { return log->append(request); });
}

Awaitable<Result<std::vector<Appended>>> FaultyLog::append_together(std::vector<AppendRequest> requests,
                                                                    std::vector<StreamCheck> checks) {
  const bool empty = requests.empty();
  const std::string stream = empty ? std::string() : requests.front().stream;
  const InjectedFault injected = inject_({"append", stream, empty ? nullptr : &requests.front()});
  return write<std::vector<Appended>>(
      injected, [log = &log_, requests = std::move(requests), checks = std::move(checks)] {
        return log->append_together(requests, checks);
      });
}

Awaitable<Result<Deleted>> FaultyLog::soft_delete(std::string stream, ExpectedRevision expected) {
  const InjectedFault injected = inject_({"soft_delete", stream});
  return write<Deleted>(injected, [log = &log_, stream, expected] { return log->soft_delete(stream, expected); });
}

Awaitable<Result<Deleted>> FaultyLog::tombstone(std::string stream, ExpectedRevision expected) {
  const InjectedFault injected = inject_({"tombstone", stream});
  return write<Deleted>(injected, [log = &log_, stream, expected] { return log->tombstone(stream, expected); });
}

Awaitable<Result<Done>> FaultyLog::restore(std::string stream) {
  const InjectedFault injected = inject_({"restore", stream});
  return write<Done>(injected, [log = &log_, stream] { return log->restore(stream); });
}

Awaitable<Result<StreamPage>> FaultyLog::read_stream(ReadStream request) {
  std::string stream = request.stream;
  return read<StreamPage>("read_stream", std::move(stream),
                          [log = &log_, request = std::move(request)] { return log->read_stream(request); });
}

Awaitable<Result<AllPage>> FaultyLog::read_all(ReadAll request) {
  return read<AllPage>("read_all", "", [log = &log_, request] { return log->read_all(request); });
}

Awaitable<Result<Head>> FaultyLog::head(std::string stream) {
  return read<Head>("head", stream, [log = &log_, stream] { return log->head(stream); });
}

Awaitable<Result<Position>> FaultyLog::tip() {
  return read<Position>("tip", "", [log = &log_] { return log->tip(); });
}

Awaitable<Result<std::string>> FaultyLog::ping() {
  return read<std::string>("ping", "", [log = &log_] { return log->ping(); });
}

std::unique_ptr<Subscription> FaultyLog::subscribe_all(Position after) {
  return std::make_unique<FaultySubscription>(*this, log_.subscribe_all(after), "", after);
}

std::unique_ptr<Subscription> FaultyLog::subscribe_stream(std::string stream, std::optional<std::uint64_t> after) {
  auto inner = log_.subscribe_stream(stream, after);
  return std::make_unique<FaultySubscription>(*this, std::move(inner), std::move(stream), Position::start());
}

}  // namespace twinstream
