#include "proxy/core/utf8.h"

#include <gtest/gtest.h>

namespace twinstream {
namespace {

TEST(Utf8, EveryCodePointIsEncodedWellFormed) {
  for (std::uint32_t point = 0; point <= 0x10ffff; ++point) {
    if (point >= 0xd800 && point <= 0xdfff) continue;
    std::string text;
    append_utf8(text, point);
    ASSERT_EQ(utf8_sequence(text), text.size()) << point;
    ASSERT_EQ(utf8_sequence(text.substr(0, text.size() - 1)), 0u) << point;
  }
}

TEST(Utf8, SurrogatesOverlongFormsAndStrayBytesAreNotWellFormed) {
  for (std::uint32_t point = 0xd800; point <= 0xdfff; ++point) {
    std::string text;
    append_utf8(text, point);
    ASSERT_FALSE(is_utf8(text)) << point;
  }
  for (const char* text : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                           "\xf5\x80", "\xff", "a\xc3", "\xe2\x82z"}) {
    EXPECT_FALSE(is_utf8(text));
  }
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
}

}  // namespace
}  // namespace twinstream
