#include "proxy/http/tokens.h"

#include <gtest/gtest.h>

namespace twinstream::http {
namespace {

TEST(Tokens, AreComparedWithoutCase) {
  EXPECT_TRUE(same_token("Keep-Alive", "keep-alive"));
  EXPECT_FALSE(same_token("close", "closed"));
  EXPECT_FALSE(same_token("@", "`"));
}

TEST(Tokens, AreFoundInListsWithoutCaseAndSpace) {
  EXPECT_TRUE(list_has("keep-alive, Upgrade", "upgrade"));
  EXPECT_TRUE(list_has(" \tclose\t", "close"));
  EXPECT_TRUE(list_has(",,a", "a"));
  EXPECT_FALSE(list_has("upgraded", "upgrade"));
  EXPECT_FALSE(list_has("", "a"));
}

}  // namespace
}  // namespace twinstream::http
