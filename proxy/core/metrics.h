#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <initializer_list>
#include <utility>

namespace twinstream {

/// Every number the program shows. The catalogue of names is in metrics.cpp (docs/metrics in docs/runbook.md); a name
/// outside it is a programming error. Thread safe and cheap enough for the request path. Labels never carry stream names.
class Metrics {
 public:
  using Labels = std::initializer_list<std::pair<const char*, std::string_view>>;

  Metrics();
  ~Metrics();

  void count(std::string_view name, Labels labels = {}, double by = 1);
  void gauge(std::string_view name, double value, Labels labels = {});
  void observe(std::string_view name, double seconds, Labels labels = {});  ///< a histogram of durations

  double value(std::string_view name, Labels labels = {}) const;  ///< of a counter or gauge; for /status and tests
  std::string expose() const;  ///< Prometheus text format

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace twinstream
