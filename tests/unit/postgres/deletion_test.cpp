#include "adapters/postgres/deletion.h"

#include <gtest/gtest.h>

namespace twinstream::postgres {
namespace {

const auto any = ExpectedRevision::any();
const auto no_stream = ExpectedRevision::no_stream();
const auto exists = ExpectedRevision::stream_exists();
const auto exact = ExpectedRevision::exact(3);
const auto other = ExpectedRevision::exact(2);

const Head none{};
const Head live{Head::State::live, 3, 0};
const Head soft{Head::State::soft_deleted, 3, 4};
const Head dead{Head::State::tombstoned, 3, 4};

std::string answer(Removal removal, const Head& head, ExpectedRevision expected) {
  const auto failure = refuse_removal(removal, "s", head, expected);
  if (!failure) return "ok";
  if (failure->code == FailureCode::stream_deleted) return "deleted";
  if (failure->code != FailureCode::wrong_expected_revision) return "?";
  return failure->actual ? "wrong " + std::to_string(*failure->actual) : "wrong none";
}

using Row = std::vector<std::string>;
Row answers(Removal removal, const Head& head) {
  Row row;
  for (const auto& expected : {any, no_stream, exists, exact, other}) row.push_back(answer(removal, head, expected));
  return row;
}

TEST(Removal, SoftDeleteFollowsTheTableOfTheProtocol) {
  EXPECT_EQ(answers(Removal::soft_delete, none),
            (Row{"wrong none", "wrong none", "wrong none", "wrong none", "wrong none"}));
  EXPECT_EQ(answers(Removal::soft_delete, live), (Row{"ok", "wrong 3", "ok", "ok", "wrong 3"}));
  EXPECT_EQ(answers(Removal::soft_delete, soft), (Row{"ok", "ok", "deleted", "ok", "wrong 3"}));
  EXPECT_EQ(answers(Removal::soft_delete, dead), Row(5, "deleted"));
}

TEST(Removal, TombstoneFollowsTheTableOfTheProtocol) {
  EXPECT_EQ(answers(Removal::tombstone, none), (Row{"ok", "ok", "wrong none", "wrong none", "wrong none"}));
  EXPECT_EQ(answers(Removal::tombstone, live), (Row{"ok", "wrong 3", "ok", "ok", "wrong 3"}));
  EXPECT_EQ(answers(Removal::tombstone, soft), (Row{"ok", "ok", "deleted", "ok", "wrong 3"}));
  EXPECT_EQ(answers(Removal::tombstone, dead), Row(5, "deleted"));
}

}  // namespace
}  // namespace twinstream::postgres
