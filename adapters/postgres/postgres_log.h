#pragma once

#include <memory>
#include <string>

#include "config/config.h"
#include "proxy/core/event_log.h"

namespace twinstream {

/// An event log in PostgreSQL: the managed layout (our own table) or a mapped one (somebody's existing table). It needs
/// the primary and sessions of its own: no pooler in transaction mode in between.
///
/// Event ids are unique in the whole table and recognised for ever. A mapped table gives less where it has less:
///  - without an index that starts with the id column, ids are compared within their stream only, and appends with
///  `any`
///    or `stream_exists` read the whole stream for that;
///  - without an id column, ids are UUIDv5 of table, stream and revision. Repetitions are recognised for `exact` and
///    `no_stream` only, by the same content at the same place: two writers who expect the same revision and write the
///    same content there count as one who repeats himself;
///  - the content type is not stored but told from the data; metadata needs a column;
///  - jsonb gives JSON back normalised (traits().exact_bytes is false), and is compared as jsonb prints it.
/// Other writers of a mapped table need not know about us: the table's unique index over stream and revision decides.
class PostgresLog final : public EventLog {
 public:
  /// Blocks. unavailable when PostgreSQL does not answer; rejected when the schema was not set up (initialise), or when
  /// the mapped table is not fit to be an event log (preflight), with the reason.
  static Result<std::unique_ptr<PostgresLog>> open(const PostgresConfig& config);
  ~PostgresLog() override;

  const LogTraits& traits() const override;
  std::optional<Failure> refuses(const AppendRequest& request) const override;

  Awaitable<Result<Appended>> append(AppendRequest request) override;
  Awaitable<Result<std::vector<Appended>>> append_together(std::vector<AppendRequest> requests,
                                                           std::vector<StreamCheck> checks) override;
  Awaitable<Result<StreamPage>> read_stream(ReadStream request) override;
  Awaitable<Result<AllPage>> read_all(ReadAll request) override;
  Awaitable<Result<Head>> head(std::string stream) override;
  Awaitable<Result<Position>> tip() override;
  Awaitable<Result<Deleted>> soft_delete(std::string stream, ExpectedRevision expected) override;
  Awaitable<Result<Deleted>> tombstone(std::string stream, ExpectedRevision expected) override;
  Awaitable<Result<Done>> restore(std::string stream) override;
  std::unique_ptr<Subscription> subscribe_all(Position after) override;
  std::unique_ptr<Subscription> subscribe_stream(std::string stream, std::optional<std::uint64_t> after) override;
  Awaitable<Result<std::string>> ping() override;

  /// What the nets under the tail caught since the log was opened, over all of its subscriptions.
  struct TailReport {
    std::uint64_t filled = 0;     ///< events delivered early, because a later revision of their stream had been seen
    std::uint64_t recovered = 0;  ///< events below the final position that only the nets found: a writer draws
                                  ///< positions outside its INSERT
    std::uint64_t gaps = 0;       ///< events delivered although the revision before them does not exist
  };
  TailReport tail_report() const;

 private:
  struct Implementation;
  explicit PostgresLog(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace twinstream
