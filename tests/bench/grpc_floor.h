#pragma once

#include <cstdint>
#include <memory>

namespace twinstream::bench {

/// A server with the Streams service's protocol that only counts: appends get the next number, reads get one prepared
/// event again and again, subscribers to a stream get it once per event appended. What it costs is gRPC and the
/// protocol, so it is what a real server is measured against.
class FloorServer {
 public:
  /// Every event that is read has this many bytes of data. Listens on a free port of 127.0.0.1.
  static std::unique_ptr<FloorServer> start(std::size_t event_bytes);
  virtual ~FloorServer() = default;
  virtual std::uint16_t port() const = 0;
};

}  // namespace twinstream::bench
