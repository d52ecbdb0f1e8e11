#include "proxy/core/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <stdexcept>
#include <unordered_map>
#include <variant>
#include <vector>

#include "proxy/core/utf8.h"

namespace twinstream {
namespace {

enum class Kind { counter, gauge, histogram };

struct Entry {
  std::string_view name;
  Kind kind;
  std::vector<std::string_view> labels;
  std::string_view help;
};

/// The catalogue: every metric there is.
const std::vector<Entry>& catalogue() {
  static const std::vector<Entry> entries{
      {"twinstream_build_info", Kind::gauge, {"version"}, "Always 1; the version of the running program."},
      {"twinstream_http_requests_total",
       Kind::counter,
       {"kind", "status"},
       "Requests answered, by what was done with them and status."},
      {"twinstream_http_connections", Kind::gauge, {}, "Client connections open now."},
      {"twinstream_http_request_seconds",
       Kind::histogram,
       {"kind"},
       "From the end of the request header to the end of the answer."},
      {"twinstream_backend_failures_total", Kind::counter, {"reason"}, "Requests that the backend did not answer."},
      {"twinstream_events_written_total",
       Kind::counter,
       {"category", "authority"},
       "Events that the authority committed for us."},
      {"twinstream_events_mirrored_total",
       Kind::counter,
       {"to"},
       "Events carried to the follower, by the store that received them."},
      {"twinstream_mirror_pending_events",
       Kind::gauge,
       {},
       "Events committed by the authority and not yet confirmed by the follower."},
      {"twinstream_mirror_lag_seconds",
       Kind::gauge,
       {},
       "Age of the oldest event that waits for the follower; 0 when none does."},
      {"twinstream_mirror_retries_total", Kind::counter, {}, "Carryings of a stream that were tried again."},
      {"twinstream_mirror_dropped_total",
       Kind::counter,
       {},
       "Streams that the fast path left to the tail because its queue was full."},
      {"twinstream_divergences_total", Kind::counter, {}, "Streams found that the follower could not be brought to."},
      {"twinstream_streams_set_aside", Kind::gauge, {}, "Streams that are not mirrored now because they diverged."},
      {"twinstream_tail_events_total",
       Kind::counter,
       {},
       "Events that the tail read from the authority's global order."},
      {"twinstream_tail_audit_finds_total",
       Kind::counter,
       {},
       "Streams that only the audit of all heads found behind. Not 0: read the runbook."},
      {"twinstream_append_seconds", Kind::histogram, {"store"}, "Duration of an append at a store."},
      {"twinstream_append_failures_total", Kind::counter, {"store", "code"}, "Appends that a store did not accept."},
      {"twinstream_reads_total", Kind::counter, {"category", "source"}, "Reads, by the store that answered."},
      {"twinstream_read_fallbacks_total",
       Kind::counter,
       {"category"},
       "Reads answered by the other store because the chosen one failed or was behind."},
      {"twinstream_read_comparisons_total",
       Kind::counter,
       {"category", "result"},
       "Reads compared with the other store."},
      {"twinstream_phase",
       Kind::gauge,
       {"category"},
       "Phase in force: 0 observe, 1 dual-write, 2 backfill, 3 read-switch, 4 retire."},
      {"twinstream_epoch", Kind::gauge, {"category"}, "Raised by every change of authority."},
      {"twinstream_backfill_events_total", Kind::counter, {}, "Events of history that the backfill carried."},
      {"twinstream_backfill_remaining_events", Kind::gauge, {}, "Events of history still to carry, estimated."},
      {"twinstream_check_streams", Kind::gauge, {"result"}, "Streams of the last complete check, by result."},
      {"twinstream_check_timestamp_seconds", Kind::gauge, {}, "When the last complete check ended."},
      {"twinstream_fence_seconds", Kind::histogram, {}, "How long writes were held while an authority changed."},
      {"twinstream_config_loads_total", Kind::counter, {"result"}, "Loads of the configuration file: ok or refused."},
      {"twinstream_config_timestamp_seconds", Kind::gauge, {}, "When the configuration in force was loaded."},
      {"twinstream_store_up", Kind::gauge, {"store"}, "1 when the store answered its last probe."},
      {"twinstream_capture_unknown_stream_total",
       Kind::counter,
       {"category"},
       "Captured backend writes whose stream could not be told from request and answer."},
      {"twinstream_events_untouched_metadata_total",
       Kind::counter,
       {"category"},
       "Events carried without $originalCreated because their metadata is no JSON object."},
  };
  return entries;
}

/// Categories come from stream names, which clients choose: a family never grows beyond this. What comes later is
/// counted together under the label value `other`.
constexpr std::size_t children_limit = 1000;
constexpr std::size_t value_limit = 200;

const prometheus::Histogram::BucketBoundaries& duration_buckets() {
  static const prometheus::Histogram::BucketBoundaries buckets{
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
  return buckets;
}

using Child = std::variant<prometheus::Counter*, prometheus::Gauge*, prometheus::Histogram*>;
using Family = std::variant<prometheus::Family<prometheus::Counter>*, prometheus::Family<prometheus::Gauge>*,
                            prometheus::Family<prometheus::Histogram>*>;

Family build(prometheus::Registry& registry, const Entry& entry) {
  const std::string name(entry.name), help(entry.help);
  switch (entry.kind) {
    case Kind::counter: return &prometheus::BuildCounter().Name(name).Help(help).Register(registry);
    case Kind::gauge: return &prometheus::BuildGauge().Name(name).Help(help).Register(registry);
    case Kind::histogram: break;
  }
  return &prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

Child add(Family& family, const prometheus::Labels& labels) {
  if (auto* counters = std::get_if<0>(&family)) return &(*counters)->Add(labels);
  if (auto* gauges = std::get_if<1>(&family)) return &(*gauges)->Add(labels);
  return &std::get<2>(family)->Add(labels, duration_buckets());
}

[[noreturn]] void programming_error(std::string_view name, std::string_view text) {
  throw std::logic_error("metric " + std::string(name) + " " + std::string(text));
}

void write_key(std::string& key, std::string_view name, Metrics::Labels labels) {
  key.assign(name);
  for (const auto& [label, value] : labels) {
    key += '\0';
    key += label;
    key += '\0';
    key += value;
  }
}

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

using ChildrenByKey = std::unordered_map<std::string, Child, TextHash, std::equal_to<>>;

/// What a thread has used before, so that counting takes no lock. It belongs to one Metrics at a time.
struct ThreadCache {
  std::uint64_t owner = 0;
  std::string key;
  ChildrenByKey children;
};

ThreadCache& thread_cache(std::uint64_t owner) {
  thread_local ThreadCache cache;
  if (cache.owner != owner) {
    cache.children.clear();
    cache.owner = owner;
  }
  return cache;
}

std::uint64_t next_owner() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

struct Metrics::Implementation {
  struct Registered {
    const Entry* entry;
    Family family;
    std::map<prometheus::Labels, Child> children;
  };

  Implementation() {
    for (const Entry& entry : catalogue()) {
      Registered& made = families.try_emplace(entry.name, Registered{&entry, build(registry, entry), {}}).first->second;
      if (entry.labels.empty()) made.children.emplace(prometheus::Labels{}, add(made.family, {}));
    }
  }

  Registered& registered(std::string_view name) {
    const auto found = families.find(name);
    if (found == families.end()) programming_error(name, "is not in the catalogue");
    return found->second;
  }

  prometheus::Labels checked_labels(const Entry& entry, Labels labels) const {
    prometheus::Labels result;
    for (const auto& [label, value] : labels) {
      if (std::find(entry.labels.begin(), entry.labels.end(), label) == entry.labels.end()) {
        programming_error(entry.name, "has no label " + std::string(label));
      }
      result[label] = value.size() <= value_limit && is_utf8(value) ? std::string(value) : "other";
    }
    if (result.size() != entry.labels.size()) programming_error(entry.name, "was used without all of its labels");
    return result;
  }

  /// Creates it on first use. Never a wrong pointer: children live as long as the registry.
  Child find_or_create(std::string_view name, Labels labels, bool& may_be_cached) {
    std::lock_guard lock(mutex);
    Registered& family = registered(name);
    prometheus::Labels wanted = checked_labels(*family.entry, labels);
    const auto found = family.children.find(wanted);
    if (found != family.children.end()) return found->second;
    if (family.children.size() >= children_limit) {
      may_be_cached = false;
      for (auto& [label, value] : wanted) value = "other";
    }
    const Child child = add(family.family, wanted);
    family.children.emplace(std::move(wanted), child);
    return child;
  }

  Child child(std::string_view name, Labels labels) {
    ThreadCache& cache = thread_cache(owner);
    write_key(cache.key, name, labels);
    const auto found = cache.children.find(cache.key);
    if (found != cache.children.end()) return found->second;
    bool may_be_cached = true;
    const Child made = find_or_create(name, labels, may_be_cached);
    if (may_be_cached) cache.children.emplace(cache.key, made);
    return made;
  }

  const std::uint64_t owner = next_owner();
  mutable std::mutex mutex;
  prometheus::Registry registry;
  std::map<std::string_view, Registered> families;
};

Metrics::Metrics() : implementation_(std::make_unique<Implementation>()) {
  gauge("twinstream_build_info", 1, {{"version", TWINSTREAM_VERSION}});
}

Metrics::~Metrics() = default;

void Metrics::count(std::string_view name, Labels labels, double by) {
  const Child child = implementation_->child(name, labels);
  if (auto* const* counter = std::get_if<prometheus::Counter*>(&child)) {
    (*counter)->Increment(by);
  } else if (auto* const* gauge = std::get_if<prometheus::Gauge*>(&child)) {
    (*gauge)->Increment(by);
  } else {
    programming_error(name, "is a histogram and cannot be counted");
  }
}

void Metrics::gauge(std::string_view name, double value, Labels labels) {
  const Child child = implementation_->child(name, labels);
  if (!std::holds_alternative<prometheus::Gauge*>(child)) programming_error(name, "is not a gauge");
  std::get<prometheus::Gauge*>(child)->Set(value);
}

void Metrics::observe(std::string_view name, double seconds, Labels labels) {
  const Child child = implementation_->child(name, labels);
  if (!std::holds_alternative<prometheus::Histogram*>(child)) programming_error(name, "is not a histogram");
  std::get<prometheus::Histogram*>(child)->Observe(seconds);
}

double Metrics::value(std::string_view name, Labels labels) const {
  std::lock_guard lock(implementation_->mutex);
  const auto& family = implementation_->registered(name);
  const auto found = family.children.find(implementation_->checked_labels(*family.entry, labels));
  if (found == family.children.end()) return 0;
  if (auto* const* counter = std::get_if<prometheus::Counter*>(&found->second)) return (*counter)->Value();
  if (auto* const* gauge = std::get_if<prometheus::Gauge*>(&found->second)) return (*gauge)->Value();
  return static_cast<double>(std::get<prometheus::Histogram*>(found->second)->Collect().histogram.sample_count);
}

std::string Metrics::expose() const {
  return prometheus::TextSerializer().Serialize(implementation_->registry.Collect());
}

}  // namespace twinstream
