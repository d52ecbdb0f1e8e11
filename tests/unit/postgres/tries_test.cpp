#include "adapters/postgres/tries.h"

#include <gtest/gtest.h>

namespace twinstream::postgres {
namespace {

/// Occasions that pass without a try.
int passed(Tries& tries) {
  int count = 0;
  while (!tries.due()) ++count;
  return count;
}

TEST(Tries, AreDueAtOnceWhileTheySucceed) {
  Tries tries;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(passed(tries), 0);
    tries.tell(true);
  }
}

TEST(Tries, BecomeRarerWithEveryFailureUpToABound) {
  Tries tries;
  for (const int expected : {0, 1, 2, 4, 8, 16, 32, 64, 64}) {
    EXPECT_EQ(passed(tries), expected);
    tries.tell(false);
  }
}

TEST(Tries, ASuccessForgetsTheFailures) {
  Tries tries;
  for (int i = 0; i < 4; ++i) tries.tell(false);
  tries.tell(true);
  EXPECT_EQ(passed(tries), 0);
  tries.tell(false);
  EXPECT_EQ(passed(tries), 1);
}

}  // namespace
}  // namespace twinstream::postgres
