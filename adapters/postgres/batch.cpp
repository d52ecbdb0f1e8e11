#include "adapters/postgres/batch.h"

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

struct Arrays {
  explicit Arrays(const Shape& shape)
      : keys(shape.stream.size(), BinaryArray(Type::text)),
        data(payload_type(shape.data_storage)),
        metadata(payload_type(shape.metadata_storage)) {}

  void add_stream(const Shape& shape, const std::string& name) {
    streams.add(std::string_view(name));
    const auto values = shape.name.values(name);
    for (std::size_t i = 0; i < keys.size(); ++i) keys[i].add(std::string_view((*values)[i]));
  }

  void add_request(const AppendRequest& request, std::int32_t stream) {
    request_stream.add(stream);
    request_kind.add(std::int32_t{encode(request.expected.kind)});
    request_expected.add(encode_revision(request.expected));
    request_count.add(static_cast<std::int32_t>(request.events.size()));
    std::int32_t place = 0;
    for (const auto& event : request.events)
      add_event(event, static_cast<std::int32_t>(request_stream.size()), place++);
  }

  void add_event(const Event& event, std::int32_t number, std::int32_t place) {
    request.add(number);
    places.add(place);
    id.add(event.id);
    type.add(std::string_view(event.type));
    content.add(std::string_view(event.content_type == ContentType::json ? "json" : "binary"));
    data.add(std::string_view(event.data));
    metadata.add(std::string_view(event.metadata));
    if (event.created)
      created.add(std::string_view(binary_timestamp(*event.created)));
    else
      created.add_null();
  }

  std::vector<std::string> take() {
    std::vector<std::string> all{streams.take()};
    for (auto& key : keys) all.push_back(key.take());
    for (auto* array : {&request_stream, &request_kind, &request_expected, &request_count, &request, &places, &id,
                        &type, &content, &data, &metadata, &created}) {
      all.push_back(array->take());
    }
    return all;
  }

  BinaryArray streams{Type::text};
  std::vector<BinaryArray> keys;
  BinaryArray request_stream{Type::int4}, request_kind{Type::int4}, request_expected{Type::int8},
      request_count{Type::int4};
  BinaryArray request{Type::int4}, places{Type::int4}, id{Type::uuid}, type{Type::text}, content{Type::text};
  BinaryArray data, metadata;
  BinaryArray created{Type::timestamptz};
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
  Arrays arrays(shape);
  std::unordered_map<std::string_view, std::int32_t> streams;
  for (const auto* request : requests) {
    const auto [stream, fresh] = streams.emplace(request->stream, static_cast<std::int32_t>(streams.size() + 1));
    if (fresh) arrays.add_stream(shape, request->stream);
    arrays.add_request(*request, stream->second);
  }
  return arrays.take();
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

}  // namespace twinstream::postgres
