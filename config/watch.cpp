#include "config/watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

#include "proxy/core/log.h"

namespace twinstream {
namespace {

constexpr std::uint32_t signs_of_change =
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF;
/// A directory that is gone is looked for this much less often than changes settle.
constexpr int missing_factor = 5;

/// The directory of the file, and that of the file it leads to through symbolic links.
std::set<std::string> directories_of(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path given = fs::absolute(path, ignored);
  std::set<std::string> directories{given.parent_path().string()};
  const fs::path target = fs::canonical(given, ignored);
  if (!target.empty()) directories.insert(target.parent_path().string());
  return directories;
}

}  // namespace

/// Directories are watched, not the file: a file that is replaced is another inode.
class ConfigWatcher::Watch : public std::enable_shared_from_this<Watch> {
 public:
  Watch(const boost::asio::any_io_executor& executor, std::string path, Callback callback,
        std::chrono::milliseconds settle_time)
      : path_(std::move(path)),
        callback_(std::move(callback)),
        settle_time_(settle_time),
        descriptor_(executor),
        timer_(executor) {}

  void start() {
    const int handle = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (handle < 0) {
      log::warning("the configuration file cannot be watched; send SIGHUP after a change",
                   {{"file", path_}, {"reason", std::strerror(errno)}});
    } else {
      descriptor_.assign(handle);
      watch_directories();
      wait_for_signs();
    }
    known_ = text_now();
  }

  void stop() {
    stopped_ = true;
    timer_.cancel();
    boost::system::error_code ignored;
    descriptor_.close(ignored);
  }

  void reload() {
    boost::asio::post(descriptor_.get_executor(), [self = shared_from_this()] {
      if (!self->stopped_) self->load();
    });
  }

 private:
  std::optional<std::string> text_now() const {
    std::string problem;
    return read_small_file(path_, config_file_limit, problem);
  }

  /// Adding a directory again is harmless. A directory that does not exist now is looked for again.
  void watch_directories() {
    bool complete = true;
    for (const std::string& directory : directories_of(path_)) {
      complete &= inotify_add_watch(descriptor_.native_handle(), directory.c_str(), signs_of_change) >= 0;
    }
    if (!complete) look_again_after(missing_factor * settle_time_);
  }

  void wait_for_signs() {
    descriptor_.async_read_some(boost::asio::buffer(signs_), [self = shared_from_this()](auto error, std::size_t) {
      if (error || self->stopped_) return;
      self->look_again_after(self->settle_time_);
      self->wait_for_signs();
    });
  }

  /// One timer, not restarted: a file that never stops changing is still seen.
  void look_again_after(std::chrono::milliseconds delay) {
    if (waiting_) return;
    waiting_ = true;
    timer_.expires_after(delay);
    timer_.async_wait([self = shared_from_this()](auto error) {
      if (!error && !self->stopped_) self->look();
    });
  }

  void look() {
    waiting_ = false;
    watch_directories();
    // A file that is gone is about to be replaced, or a mistake that must not stop anything: the old one stays.
    if (auto text = text_now(); text && text != known_) load();
  }

  void load() {
    known_ = text_now();
    callback_(known_ ? load_config_text(*known_, path_) : load_config_file(path_));
  }

  std::string path_;
  Callback callback_;
  std::chrono::milliseconds settle_time_;
  boost::asio::posix::stream_descriptor descriptor_;
  boost::asio::steady_timer timer_;
  std::optional<std::string> known_;
  std::array<char, 4096> signs_{};
  bool waiting_ = false;
  bool stopped_ = false;
};

ConfigWatcher::ConfigWatcher(const boost::asio::any_io_executor& executor, std::string path, Callback callback,
                             std::chrono::milliseconds settle_time)
    : watch_(std::make_shared<Watch>(executor, std::move(path), std::move(callback), settle_time)) {
  watch_->start();
}

ConfigWatcher::~ConfigWatcher() { watch_->stop(); }

void ConfigWatcher::reload() { watch_->reload(); }

}  // namespace twinstream
