#include "proxy/core/metrics.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>
#include <vector>

namespace twinstream {
namespace {

TEST(Metrics, CountersAddUpPerLabels) {
  Metrics metrics;
  metrics.count("twinstream_http_requests_total", {{"kind", "capture"}, {"status", "201"}});
  metrics.count("twinstream_http_requests_total", {{"kind", "capture"}, {"status", "201"}}, 2);
  metrics.count("twinstream_http_requests_total", {{"kind", "capture"}, {"status", "409"}});
  EXPECT_EQ(metrics.value("twinstream_http_requests_total", {{"kind", "capture"}, {"status", "201"}}), 3);
  EXPECT_EQ(metrics.value("twinstream_http_requests_total", {{"kind", "capture"}, {"status", "409"}}), 1);
  EXPECT_EQ(metrics.value("twinstream_http_requests_total", {{"kind", "read"}, {"status", "200"}}), 0);
}

TEST(Metrics, TheOrderOfLabelsDoesNotMatter) {
  Metrics metrics;
  metrics.count("twinstream_append_failures_total", {{"store", "postgres"}, {"code", "unavailable"}});
  metrics.count("twinstream_append_failures_total", {{"code", "unavailable"}, {"store", "postgres"}});
  EXPECT_EQ(metrics.value("twinstream_append_failures_total", {{"code", "unavailable"}, {"store", "postgres"}}), 2);
}

TEST(Metrics, GaugesAreSetAndMoved) {
  Metrics metrics;
  metrics.gauge("twinstream_phase", 3, {{"category", "contact"}});
  metrics.count("twinstream_http_connections");
  metrics.count("twinstream_http_connections");
  metrics.count("twinstream_http_connections", {}, -1);
  EXPECT_EQ(metrics.value("twinstream_phase", {{"category", "contact"}}), 3);
  EXPECT_EQ(metrics.value("twinstream_http_connections"), 1);
}

TEST(Metrics, HistogramsCountObservations) {
  Metrics metrics;
  metrics.observe("twinstream_append_seconds", 0.002, {{"store", "postgres"}});
  metrics.observe("twinstream_append_seconds", 3, {{"store", "postgres"}});
  EXPECT_EQ(metrics.value("twinstream_append_seconds", {{"store", "postgres"}}), 2);
  const std::string text = metrics.expose();
  EXPECT_NE(text.find(R"(twinstream_append_seconds_bucket{store="postgres",le="0.0025"} 1)"), std::string::npos)
      << text;
  EXPECT_NE(text.find(R"(twinstream_append_seconds_bucket{store="postgres",le="+Inf"} 2)"), std::string::npos) << text;
}

TEST(Metrics, MisuseIsAProgrammingError) {
  Metrics metrics;
  EXPECT_THROW(metrics.count("twinstream_unheard_of_total"), std::logic_error);
  EXPECT_THROW(metrics.value("twinstream_unheard_of_total"), std::logic_error);
  EXPECT_THROW(metrics.count("twinstream_http_requests_total"), std::logic_error);
  EXPECT_THROW(metrics.count("twinstream_mirror_retries_total", {{"stream", "x"}}), std::logic_error);
  EXPECT_THROW(metrics.gauge("twinstream_mirror_retries_total", 1), std::logic_error);
  EXPECT_THROW(metrics.observe("twinstream_mirror_retries_total", 1), std::logic_error);
  EXPECT_THROW(metrics.count("twinstream_fence_seconds"), std::logic_error);
}

TEST(Metrics, ExposesTheCatalogueWithTypeAndHelp) {
  Metrics metrics;
  const std::string text = metrics.expose();
  EXPECT_NE(text.find("# TYPE twinstream_mirror_retries_total counter\ntwinstream_mirror_retries_total 0\n"),
            std::string::npos);
  EXPECT_NE(text.find("# TYPE twinstream_mirror_lag_seconds gauge\ntwinstream_mirror_lag_seconds 0\n"),
            std::string::npos);
  EXPECT_NE(text.find("# HELP twinstream_fence_seconds "), std::string::npos);
  EXPECT_NE(text.find("twinstream_build_info{version="), std::string::npos);
}

TEST(Metrics, CategoriesThatClientsInventCannotFillTheMemory) {
  Metrics metrics;
  for (int i = 0; i < 5000; ++i) metrics.count("twinstream_read_fallbacks_total", {{"category", std::to_string(i)}});
  EXPECT_EQ(metrics.value("twinstream_read_fallbacks_total", {{"category", "7"}}), 1);
  EXPECT_EQ(metrics.value("twinstream_read_fallbacks_total", {{"category", "4999"}}), 0);
  EXPECT_EQ(metrics.value("twinstream_read_fallbacks_total", {{"category", "other"}}), 4000);
  metrics.count("twinstream_read_fallbacks_total", {{"category", "7"}});
  EXPECT_EQ(metrics.value("twinstream_read_fallbacks_total", {{"category", "7"}}), 2);
}

TEST(Metrics, LabelValuesThatWouldBreakTheExpositionAreCountedAsOther) {
  Metrics metrics;
  metrics.count("twinstream_read_fallbacks_total", {{"category", "\xff\xfe"}});
  metrics.count("twinstream_read_fallbacks_total", {{"category", std::string(1000, 'x')}});
  EXPECT_EQ(metrics.value("twinstream_read_fallbacks_total", {{"category", "other"}}), 2);
}

TEST(Metrics, ThreadsCountWithoutLosingAny) {
  Metrics metrics;
  constexpr int threads = 4, each = 20'000;
  std::vector<std::thread> counters;
  for (int i = 0; i < threads; ++i) {
    counters.emplace_back([&metrics] {
      for (int n = 0; n < each; ++n) {
        metrics.count("twinstream_events_written_total",
                      {{"category", n % 2 == 0 ? "even" : "odd"}, {"authority", "postgres"}});
      }
    });
  }
  for (auto& counter : counters) counter.join();
  EXPECT_EQ(metrics.value("twinstream_events_written_total", {{"category", "even"}, {"authority", "postgres"}}),
            threads * each / 2);
  EXPECT_EQ(metrics.value("twinstream_events_written_total", {{"category", "odd"}, {"authority", "postgres"}}),
            threads * each / 2);
}

TEST(Metrics, TwoOfThemOnOneThreadStayApart) {
  Metrics first, second;
  for (int i = 0; i < 3; ++i) {
    first.count("twinstream_mirror_retries_total");
    second.count("twinstream_mirror_retries_total", {}, 10);
  }
  EXPECT_EQ(first.value("twinstream_mirror_retries_total"), 3);
  EXPECT_EQ(second.value("twinstream_mirror_retries_total"), 30);
}

}  // namespace
}  // namespace twinstream
