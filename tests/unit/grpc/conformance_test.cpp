#include <gtest/gtest.h>

#include <set>
#include <string>

namespace twinstream {
namespace {

/// The numbers in `conformance_19_20_what_is_shown`: the items that a test shows.
std::set<int> items_of(std::string name) {
  std::set<int> items;
  const std::string prefix = "conformance_";
  if (!name.starts_with(prefix)) return items;
  name.erase(0, prefix.size());
  while (name.size() > 2 && std::isdigit(name[0]) && std::isdigit(name[1]) && name[2] == '_') {
    items.insert(std::stoi(name.substr(0, 2)));
    name.erase(0, 3);
  }
  return items;
}

// What an EventStore-compatible server must do, as a list of 65 items: encoding and setup 1 to 10, Append 11 to 28,
// BatchAppend 29 to 35, deletion 36 to 45, reads 46 to 55, subscriptions 56 to 60, persistent subscriptions 61 to 64,
// appends to several streams 65. A test that shows an item carries its number in its name.
TEST(Conformance, every_item_has_a_test) {
  std::set<int> shown;
  const auto& all = *::testing::UnitTest::GetInstance();
  for (int suite = 0; suite < all.total_test_suite_count(); ++suite) {
    const auto& tests = *all.GetTestSuite(suite);
    for (int i = 0; i < tests.total_test_count(); ++i) shown.merge(items_of(tests.GetTestInfo(i)->name()));
  }
  for (int item = 1; item <= 65; ++item) EXPECT_TRUE(shown.contains(item)) << item;
}

}  // namespace
}  // namespace twinstream
