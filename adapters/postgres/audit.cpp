// The audit of heads: the part of the tail that trusts no position.

#include <utility>

#include "adapters/postgres/tail.h"
#include "adapters/postgres/wire.h"
#include "proxy/core/log.h"

namespace twinstream::postgres {
namespace {

constexpr std::size_t streams_in_a_step = 2'000;

}  // namespace

/// One step of an audit with each poll. The first audit takes note of the streams that were complete when the tail
/// started; the later ones compare.
void Tail::audit(Connection& connection) {
  const auto now = Clock::now();
  if (!auditing_ && now < next_audit_) return;
  auditing_ = true;
  const auto& statements = table_->statements;
  auto parameters = audit_after_;
  parameters.push_back(binary_integer(streams_in_a_step));
  const Rows heads =
      connection.query(audit_after_.empty() ? statements.heads_first : statements.heads_after, parameters);
  for (std::size_t i = 0; i < heads.size(); ++i) audit_stream(connection, heads, i);
  if (heads.size() == streams_in_a_step) {
    audit_after_ = audit_key(heads, heads.size() - 1);
    return;
  }
  audit_after_.clear();
  auditing_ = false;
  baseline_ = true;
  next_audit_ = now + settings_.audit_interval;
}

std::vector<std::string> Tail::audit_key(const Rows& heads, std::size_t row) const {
  std::vector<std::string> key;
  for (std::size_t i = 0; i < table_->shape.stream.size(); ++i) key.emplace_back(heads.text(row, i));
  return key;
}

void Tail::audit_stream(Connection& connection, const Rows& heads, std::size_t row) {
  const std::size_t columns = table_->shape.stream.size();
  const std::string stream(heads.text(row, columns));
  const auto head = static_cast<std::uint64_t>(heads.integer(row, columns + 1));
  const auto position = static_cast<std::uint64_t>(heads.integer(row, columns + 2));
  if (position > low_) return;  // the fence has not answered for it yet
  const auto known = heads_.get(stream);
  if (known && *known >= head) return;
  if (!known && (!baseline_ || heads_.forgot())) return heads_.set(stream, head);

  auto parameters = audit_key(heads, row);
  parameters.push_back(binary_integer(known ? as_bigint(*known + 1) : 0));
  parameters.push_back(binary_integer(as_bigint(head)));
  parameters.push_back(binary_integer(static_cast<std::int64_t>(max_page)));
  const Rows rows = connection.query(table_->statements.stream_range, parameters);
  std::size_t recovered = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto event = decode_event(table_->shape, rows, i);
    if (seen_.contains(event.position.commit)) continue;
    deliver(std::move(event));
    ++recovered;
  }
  counters_->recovered += recovered;
  log::warning("events were committed below positions that were already final; the audit of heads found them",
               {{"table", table_->shape.label}, {"stream", stream}, {"events", std::to_string(recovered)}});
}

}  // namespace twinstream::postgres
