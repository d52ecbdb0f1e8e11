#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace twinstream {

/// Every number the program shows. The catalogue of names is in metrics.cpp (explained in docs/runbook.md); a name or
/// label outside it is a programming error (std::logic_error). Thread safe and cheap enough for the request path.
/// Labels never carry stream names. Label values are bounded: beyond 1,000 combinations of one metric, and for values
/// that are no short UTF-8, the value is `other`.
class Metrics {
 public:
  using Labels = std::initializer_list<std::pair<const char*, std::string_view>>;

  Metrics();
  ~Metrics();

  void count(std::string_view name, Labels labels = {}, double by = 1);  ///< also moves a gauge up or down
  void gauge(std::string_view name, double value, Labels labels = {});
  void observe(std::string_view name, double seconds, Labels labels = {});  ///< a histogram of durations

  /// Of a counter or gauge; of a histogram the number of observations. 0 when never used. For /status and tests.
  double value(std::string_view name, Labels labels = {}) const;
  std::string expose() const;  ///< Prometheus text format

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace twinstream
