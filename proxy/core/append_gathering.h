#pragma once

#include <atomic>
#include <utility>
#include <vector>

#include "proxy/core/await.h"
#include "proxy/core/event_log.h"

namespace twinstream {

using AppendAnswers = std::vector<Result<Appended>>;

/// The answers of one call of append_many; the last one completes it. Answers may come from any thread.
class AppendGathering {
 public:
  AppendGathering(std::size_t count, Completion<AppendAnswers> done)
      : answers_(count, Failure{FailureCode::cancelled, "not answered", {}}), missing_(count), done_(std::move(done)) {}

  void answer(std::size_t index, Result<Appended> result) {
    answers_[index] = std::move(result);
    if (missing_.fetch_sub(1, std::memory_order_acq_rel) == 1) done_(std::move(answers_));
  }

 private:
  AppendAnswers answers_;
  std::atomic<std::size_t> missing_;
  Completion<AppendAnswers> done_;
};

}  // namespace twinstream
