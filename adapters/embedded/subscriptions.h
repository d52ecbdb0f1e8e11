#pragma once

#include <memory>
#include <optional>
#include <string>

#include "adapters/embedded/commit_watch.h"
#include "adapters/embedded/job_queue.h"
#include "adapters/embedded/reader.h"

namespace twinstream::embedded {

std::unique_ptr<Subscription> subscribe_all(JobQueue<Reader>& readers, CommitWatch& commits, Position after);
std::unique_ptr<Subscription> subscribe_stream(JobQueue<Reader>& readers, CommitWatch& commits, std::string stream,
                                               std::optional<std::uint64_t> after);

}  // namespace twinstream::embedded
