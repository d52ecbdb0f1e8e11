#pragma once

#include <chrono>
#include <string>

#include "adapters/eventstore/appender.h"
#include "adapters/eventstore/cluster.h"
#include "adapters/eventstore/read_call.h"
#include "proxy/core/event_log.h"

namespace twinstream::eventstore {

/// Reads in the terms of EventLog. A read that fails with its connection is tried again on another one.
class Reader {
 public:
  /// The appender is for what no read tells: the last revision of a soft-deleted stream.
  Reader(Cluster& cluster, Appender& appender, std::chrono::milliseconds connect_timeout,
         std::chrono::milliseconds read_timeout);

  Awaitable<Result<StreamPage>> read_stream(ReadStream request);
  Awaitable<Result<AllPage>> read_all(ReadAll request);
  Awaitable<Result<Head>> head(std::string stream);
  Awaitable<Result<Position>> tip();

  /// The JSON text of the stream's metadata; empty when it has none.
  Awaitable<Result<std::string>> metadata(std::string stream);

 private:
  Awaitable<Result<ReadAnswer>> read(ReadQuery query, std::uint64_t count);
  Awaitable<Result<Head>> invisible_head(std::string stream);
  Awaitable<Result<Head>> probe_soft_deleted(std::string stream);
  Awaitable<Result<std::uint64_t>> last_revision(std::string stream, const ReadAnswer& answer);
  Awaitable<Result<Head>> head_of_page(ReadStream request, const StreamPage& page, const ReadAnswer& answer);

  Cluster& cluster_;
  Appender& appender_;
  const std::chrono::milliseconds connect_timeout_;
  const std::chrono::milliseconds read_timeout_;
};

/// The `$tb` of stream metadata: events below it are hidden. Nothing when there is none or it is not valid.
std::optional<std::uint64_t> truncated_before(std::string_view metadata_json);
/// The same metadata without `$tb`.
std::string without_truncation(std::string_view metadata_json);

}  // namespace twinstream::eventstore
