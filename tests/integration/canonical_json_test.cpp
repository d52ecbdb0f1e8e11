#include <gtest/gtest.h>

#include <cstdlib>
#include <pqxx/pqxx>
#include <random>

#include "proxy/core/json.h"

// canonical_json against the jsonb of a real PostgreSQL: random documents, and the places where the two could part.

namespace twinstream {
namespace {

/// Asks PostgreSQL what it prints; nothing when it refuses the document.
class Jsonb {
 public:
  Jsonb() : connection_(url()) { connection_.prepare("print", "select $1::jsonb::text"); }

  std::optional<std::string> print(const std::string& text) {
    pqxx::nontransaction work(connection_);
    try {
      return work.exec_prepared1("print", text)[0].as<std::string>();
    } catch (const pqxx::sql_error&) {
      return std::nullopt;
    }
  }

 private:
  static const char* url() {
    const char* url = std::getenv("TWINSTREAM_TEST_POSTGRES");
    if (url == nullptr)
      throw std::runtime_error("set TWINSTREAM_TEST_POSTGRES, or run under tests/support/with-postgres.sh");
    return url;
  }

  pqxx::connection connection_;
};

class RandomDocument {
 public:
  explicit RandomDocument(unsigned seed) : random_(seed) {}

  std::string next() { return space() + value(0) + space(); }

 private:
  unsigned draw(unsigned below) { return std::uniform_int_distribution<unsigned>(0, below - 1)(random_); }
  bool chance(unsigned in) { return draw(in) == 0; }

  std::string space() {
    std::string text;
    while (chance(3)) text += " \t\n\r"[draw(4)];
    return text;
  }

  std::string value(int depth) {
    switch (draw(depth < 6 ? 7 : 4)) {
      case 0: return number();
      case 1: return string();
      case 2: return chance(2) ? "true" : "false";
      case 3: return "null";
      case 4: return list(depth, '[', ']');
      default: return list(depth, '{', '}');
    }
  }

  std::string list(int depth, char open, char close) {
    std::string text(1, open);
    text += space();
    const unsigned size = draw(7);
    for (unsigned i = 0; i < size; ++i) {
      if (i > 0) text += space() + "," + space();
      if (open == '{') text += key() + space() + ":" + space();
      text += value(depth + 1);
    }
    return text + space() + close;
  }

  /// Few and short, so that they repeat and that their lengths matter.
  std::string key() { return chance(3) ? string() : "\"" + std::string(1 + draw(3), "ab"[draw(2)]) + "\""; }

  std::string digits() {
    std::string text = chance(4) ? "0" : std::string(1, static_cast<char>('1' + draw(9)));
    for (unsigned i = text == "0" ? 0 : draw(25); i > 0; --i) text += static_cast<char>('0' + draw(10));
    return text;
  }

  std::string number() {
    std::string text = (chance(3) ? "-" : "") + digits();
    if (chance(2)) text += "." + std::string(draw(4), '0') + digits();
    if (chance(3))
      text += std::string(1, "eE"[draw(2)]) + (chance(3) ? "+" : chance(2) ? "-" : "") + std::to_string(draw(40));
    return text;
  }

  std::string string() {
    std::string text = "\"";
    for (unsigned i = draw(8); i > 0; --i) text += character();
    return text + '"';
  }

  std::string character() {
    static const std::vector<std::string> others{"\\\"",
                                                 "\\\\",
                                                 "\\/",
                                                 "\\b",
                                                 "\\f",
                                                 "\\n",
                                                 "\\r",
                                                 "\\t",
                                                 "/",
                                                 "\x7f",
                                                 "é",
                                                 "€",
                                                 "\xF0\x9F\x98\x80",
                                                 "\xE2\x80\xA8",
                                                 "<",
                                                 "&",
                                                 "\\ud83d\\ude00"};
    if (chance(2)) return std::string(1, static_cast<char>('a' + draw(26)));
    if (chance(3)) return escaped();
    return others[draw(static_cast<unsigned>(others.size()))];
  }

  /// Rarely one that jsonb refuses: a surrogate alone, or U+0000.
  std::string escaped() {
    char text[8];
    unsigned code = chance(40) ? 0xd800 + draw(0x800) : chance(2) ? draw(0x80) : draw(0xd800);
    std::snprintf(text, sizeof text, chance(2) ? "\\u%04x" : "\\u%04X", code);
    return text;
  }

  std::mt19937 random_;
};

TEST(CanonicalJson, PrintsRandomDocumentsAsPostgresDoes) {
  Jsonb jsonb;
  RandomDocument document(20'240'301);
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::string text = document.next();
    const auto printed = jsonb.print(text);
    ASSERT_EQ(canonical_json(text), printed) << text;
    ASSERT_EQ(fits_jsonb(text), printed.has_value()) << text;
    if (!printed) ++refused;
  }
  EXPECT_GT(refused, 0) << "documents that jsonb refuses belong to the comparison";
  EXPECT_LT(refused, 1000);
}

TEST(CanonicalJson, AgreesWithPostgresWhereTheTwoCouldPart) {
  Jsonb jsonb;
  for (const char* text : {"1e131071",
                           "1e131072",
                           "0.1e131072",
                           "10e131071",
                           "0e131072",
                           "0e1073741822",
                           "0e1073741823",
                           "1e-16383",
                           "1e-16384",
                           "0e-16383",
                           "0e-16384",
                           "0.0e-16383",
                           "-0e-5",
                           "-0.00",
                           "1e99999999",
                           "1e-9999999999999999999",
                           "0e9999999999999999999999",
                           "1.5e1",
                           "00",
                           "\"\\u0000\"",
                           "\"\\ud800\"",
                           "\"\\udc00\\ud800\"",
                           "\"\\ud800\\udc00\"",
                           "{\"\":1,\"\":2}",
                           "[1,]",
                           "{\"a\":1,}",
                           "nul",
                           "nulll",
                           "1true",
                           "[1true]",
                           "true1",
                           "\"\x7f\"",
                           "\"\x01\"",
                           "\v1",
                           "\f1",
                           "\xC2\xA0"
                           "1",
                           "/**/1",
                           "'a'",
                           "\"\\a\"",
                           "\"\\u00e9\\u0301\"",
                           "-",
                           "- 1",
                           "1e",
                           "1.e1",
                           "\"\\ud83d\\u0041\""}) {
    EXPECT_EQ(canonical_json(text), jsonb.print(text)) << text;
    EXPECT_EQ(fits_jsonb(text), jsonb.print(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace twinstream
