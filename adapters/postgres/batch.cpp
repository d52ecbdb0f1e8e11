#include "adapters/postgres/batch.h"

#include <algorithm>
#include <unordered_map>

#include "adapters/postgres/validate.h"
#include "adapters/postgres/wire.h"

namespace twinstream::postgres {
namespace {

using Type = BinaryArray::Type;
using Kind = ExpectedRevision::Kind;

int encode(Kind kind) {
  switch (kind) {
    case Kind::any: return kind_any;
    case Kind::no_stream: return kind_no_stream;
    case Kind::stream_exists: return kind_stream_exists;
    case Kind::exact: break;
  }
  return kind_exact;
}

/// Revisions beyond 63 bits lie after every head.
std::int64_t encode_revision(const ExpectedRevision& expected) {
  constexpr std::uint64_t limit = std::numeric_limits<std::int64_t>::max() / 2;
  return expected.kind == Kind::exact ? static_cast<std::int64_t>(std::min(expected.revision, limit)) : -1;
}

Type payload_type(Storage storage) { return storage == Storage::bytea ? Type::bytea : Type::text; }

/// The streams of a batch, each once and numbered from 1.
class Streams {
 public:
  explicit Streams(const Shape& shape) : shape_(shape), keys_(shape.stream.size(), BinaryArray(Type::text)) {}

  std::int32_t number(const std::string& name) {
    const auto [stream, fresh] = numbers_.emplace(name, static_cast<std::int32_t>(numbers_.size() + 1));
    if (fresh) add(name);
    return stream->second;
  }

  void take(std::vector<std::string>& out) {
    out.push_back(names_.take());
    for (auto& key : keys_) out.push_back(key.take());
  }

 private:
  void add(const std::string& name) {
    names_.add(std::string_view(name));
    const auto values = shape_.name.values(name);
    for (std::size_t i = 0; i < keys_.size(); ++i) keys_[i].add(std::string_view((*values)[i]));
  }

  const Shape& shape_;
  std::unordered_map<std::string_view, std::int32_t> numbers_;
  BinaryArray names_{Type::text};
  std::vector<BinaryArray> keys_;
};

class Events {
 public:
  explicit Events(const Shape& shape)
      : data_(payload_type(shape.data_storage)), metadata_(payload_type(shape.metadata_storage)) {}

  void add(const Event& event) {
    id_.add(event.id);
    type_.add(std::string_view(event.type));
    content_.add(std::string_view(event.content_type == ContentType::json ? "json" : "binary"));
    data_.add(std::string_view(event.data));
    metadata_.add(std::string_view(event.metadata));
    if (event.created)
      created_.add(std::string_view(binary_timestamp(*event.created)));
    else
      created_.add_null();
  }

  void take(std::vector<std::string>& out) {
    for (auto* array : {&id_, &type_, &content_, &data_, &metadata_, &created_}) out.push_back(array->take());
  }

 private:
  BinaryArray id_{Type::uuid}, type_{Type::text}, content_{Type::text}, data_, metadata_, created_{Type::timestamptz};
};

Result<Appended> answer(const AppendRequest& request, const Rows& rows, std::size_t row) {
  const auto revision = rows.optional_integer(row, 1);
  std::optional<std::uint64_t> head;
  if (revision) head = static_cast<std::uint64_t>(*revision);
  const auto outcome = static_cast<Outcome>(rows.integer(row, 0));
  switch (outcome) {
    case Outcome::appended:
    case Outcome::duplicate: {
      const auto position = static_cast<std::uint64_t>(rows.optional_integer(row, 2).value_or(0));
      return Appended{head, {position, position}, outcome == Outcome::duplicate, MirrorState::none};
    }
    case Outcome::wrong_revision: {
      const std::string actual = head ? "at revision " + std::to_string(*head) : "without events";
      return Failure{FailureCode::wrong_expected_revision, "stream " + request.stream + " is " + actual, head};
    }
    case Outcome::deleted: return Failure{FailureCode::stream_deleted, "stream " + request.stream + " is deleted", {}};
    case Outcome::id_taken: break;
  }
  return Failure{FailureCode::id_conflict,
                 "an event id of this append to stream " + request.stream + " belongs to another event: use a new id",
                 {}};
}

}  // namespace

std::vector<std::string> encode_batch(const Shape& shape, const Requests& requests) {
  Streams streams(shape);
  Events events(shape);
  BinaryArray stream(Type::int4), kind(Type::int4), expected(Type::int8), count(Type::int4);
  BinaryArray number(Type::int4), place(Type::int4);
  for (const auto* request : requests) {
    stream.add(streams.number(request->stream));
    kind.add(std::int32_t{encode(request->expected.kind)});
    expected.add(encode_revision(request->expected));
    count.add(static_cast<std::int32_t>(request->events.size()));
    for (std::size_t i = 0; i < request->events.size(); ++i) {
      number.add(static_cast<std::int32_t>(stream.size()));
      place.add(static_cast<std::int32_t>(i));
      events.add(request->events[i]);
    }
  }
  std::vector<std::string> arguments;
  streams.take(arguments);
  for (auto* array : {&stream, &kind, &expected, &count, &number, &place}) arguments.push_back(array->take());
  events.take(arguments);
  return arguments;
}

std::vector<std::string> encode_placed(const Shape& shape, const Requests& requests,
                                       const std::vector<std::uint64_t>& places) {
  Streams streams(shape);
  Events events(shape);
  BinaryArray heads(Type::int8), stream(Type::int4), revision(Type::int8);
  std::size_t seen = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const auto number = streams.number(requests[i]->stream);
    auto next = static_cast<std::int64_t>(places[i]);
    if (static_cast<std::size_t>(number) > seen) {
      heads.add(next - 1);
      ++seen;
    }
    for (const auto& event : requests[i]->events) {
      stream.add(number);
      revision.add(next++);
      events.add(event);
    }
  }
  std::vector<std::string> arguments;
  streams.take(arguments);
  for (auto* array : {&heads, &stream, &revision}) arguments.push_back(array->take());
  events.take(arguments);
  return arguments;
}

std::vector<Result<Appended>> decode_answers(const Requests& requests, const Rows& rows) {
  if (rows.size() != requests.size()) {
    throw DatabaseError("XX000", "the append function answered for another number of requests", false);
  }
  std::vector<Result<Appended>> answers;
  answers.reserve(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) answers.push_back(answer(*requests[i], rows, i));
  return answers;
}

std::vector<Result<Appended>> decode_placed(const Requests& requests, const std::vector<std::uint64_t>& places,
                                            const Rows& rows) {
  std::vector<std::uint64_t> positions;  // drawn from a sequence in the order of the events
  positions.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) positions.push_back(static_cast<std::uint64_t>(rows.integer(i, 0)));
  std::sort(positions.begin(), positions.end());
  std::vector<Result<Appended>> answers;
  answers.reserve(requests.size());
  std::size_t written = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    written += requests[i]->events.size();
    if (written > positions.size()) throw DatabaseError("XX000", "a batch was answered for fewer events", false);
    const auto position = positions[written - 1];
    answers.push_back(
        Appended{places[i] + requests[i]->events.size() - 1, {position, position}, false, MirrorState::none});
  }
  return answers;
}

}  // namespace twinstream::postgres
