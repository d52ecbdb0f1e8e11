#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "config/load.h"

namespace twinstream {

/// Tells when the configuration file has changed: written in place, replaced by a rename, or swapped behind a symbolic
/// link as Kubernetes does with a mounted ConfigMap. It holds no configuration: a file with errors is reported like any
/// other, and it is for the callback to keep what is in force.
class ConfigWatcher {
 public:
  using Callback = std::function<void(LoadResult)>;

  /// `callback` runs on `executor`, which has one thread, `settle_time` after the first sign of a change and only when
  /// the text is another one than before. The text of now counts as known.
  ConfigWatcher(const boost::asio::any_io_executor& executor, std::string path, Callback callback,
                std::chrono::milliseconds settle_time = std::chrono::milliseconds(200));
  /// On the executor's thread, or when it does not run any more. The callback never runs after it.
  ~ConfigWatcher();

  /// Loads the file again and calls back in any case: for SIGHUP, and for secrets that changed in files or variables
  /// that the text names. From any thread.
  void reload();

 private:
  class Watch;
  std::shared_ptr<Watch> watch_;
};

}  // namespace twinstream
