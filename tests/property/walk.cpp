#include "tests/property/walk.h"

#include <algorithm>
#include <boost/json.hpp>

namespace twinstream::property {
namespace {

using Kind = ExpectedRevision::Kind;

constexpr std::size_t slots = 6;
constexpr std::size_t remembered_requests = 12;

std::string text_of(ExpectedRevision expected) {
  switch (expected.kind) {
    case Kind::any: return "any";
    case Kind::no_stream: return "no_stream";
    case Kind::stream_exists: return "stream_exists";
    case Kind::exact: break;
  }
  return "exact " + std::to_string(expected.revision);
}

std::string text_of(std::optional<std::uint64_t> number) { return number ? std::to_string(*number) : "none"; }

template <class Left, class Right>
std::optional<std::string> unequal(const char* what, const Left& expected, const Right& found) {
  if (expected == found) return std::nullopt;
  if constexpr (std::is_same_v<Right, std::string>) {
    return std::string(what) + ": expected '" + std::string(expected) + "', found '" + found + "'";
  } else {
    return std::string(what) + ": expected " + text_of(expected) + ", found " + text_of(found);
  }
}

bool equal_json(const std::string& left, const std::string& right) {
  boost::json::error_code wrong_left, wrong_right;
  const auto parsed_left = boost::json::parse(left, wrong_left);
  const auto parsed_right = boost::json::parse(right, wrong_right);
  return !wrong_left && !wrong_right && parsed_left == parsed_right;
}

}  // namespace

Walk::Walk(std::uint64_t seed, unsigned number, const std::shared_ptr<grpc::Channel>& channel)
    : number_(number),
      prefix_("w" + std::to_string(number)),
      random_(seed * 1'000'003 + number),
      client_(channel),
      generations_(slots, 0) {}

std::optional<std::string> Walk::run(std::uint64_t operations) {
  while (operations_ < operations) {
    const auto problem = step();
    ++operations_;
    if (problem) {
      return "walk " + std::to_string(number_) + ", step " + std::to_string(operations_) + ": " + doing_ + "\n  " +
             *problem;
    }
  }
  return std::nullopt;
}

Walk::Problem Walk::step() {
  const std::uint64_t choice = below(100);
  if (choice < 42) return append();
  if (choice < 50) return write_metadata();
  if (choice < 57) return remove();
  if (choice < 84) return read_stream();
  if (choice < 95) return read_all_filtered();
  return read_all();
}

// ---------------------------------------------------------------- what to do

std::string Walk::name_of(std::size_t slot) const {
  return prefix_ + "-" + std::to_string(slot) + "." + std::to_string(generations_[slot]);
}

std::string Walk::pick_stream() {
  const std::size_t slot = below(slots);
  if (model_.is_tombstoned(name_of(slot)) && chance(15)) ++generations_[slot];
  return name_of(slot);
}

EventId Walk::new_id() {
  EventId id;
  for (auto& byte : id.bytes) byte = static_cast<std::uint8_t>(below(256));
  id.bytes[0] = static_cast<std::uint8_t>(number_ + 1);
  return id;
}

Event Walk::new_event() {
  Event event;
  event.id = new_id();
  event.content_type = chance(70) ? ContentType::json : ContentType::binary;
  if (chance(8)) {
    event.type = "$>";
    event.data = std::to_string(below(12)) + "@" + name_of(below(slots));
    return event;
  }
  event.type = prefix_ + (chance(60) ? ".A" : ".B");
  event.data = event.content_type == ContentType::json ? R"({"n":)" + std::to_string(below(1'000'000)) + "}"
                                                       : std::string(below(200), static_cast<char>(below(256)));
  if (chance(30)) event.metadata = R"({"by":")" + prefix_ + R"("})";
  return event;
}

ExpectedRevision Walk::pick_expectation(const std::string& stream) {
  const auto head = model_.head(stream);
  switch (below(10)) {
    case 0:
    case 1:
    case 2: return ExpectedRevision::any();
    case 3: return ExpectedRevision::no_stream();
    case 4: return ExpectedRevision::stream_exists();
    case 5: return ExpectedRevision::exact(below(head.value_or(0) + 3));
    default: break;
  }
  return head ? ExpectedRevision::exact(*head) : ExpectedRevision::no_stream();
}

/// News, or what was sent before: the same, with another expectation, or changed in its events.
Walk::Request Walk::pick_request() {
  if (!recent_.empty() && chance(25)) {
    Request request = pick(recent_);
    switch (below(6)) {
      case 0: request.expected = pick_expectation(request.stream); break;
      case 1: request.events.push_back(new_event()); break;
      case 2: std::reverse(request.events.begin(), request.events.end()); break;
      case 3: request.events.front() = new_event(); break;
      default: break;
    }
    return request;
  }
  Request request;
  request.stream = pick_stream();
  request.expected = pick_expectation(request.stream);
  // Some are long, so that reads go over several of the server's pages.
  const std::uint64_t count = chance(5) ? 0 : chance(60) ? 1 : chance(1) ? 50 + below(100) : 2 + below(5);
  for (std::uint64_t i = 0; i < count; ++i) request.events.push_back(new_event());
  if (count > 1 && chance(4)) request.events[1].id = request.events[0].id;
  if (count == 0) return request;
  if (recent_.size() < remembered_requests) {
    recent_.push_back(request);
  } else {
    recent_[below(recent_.size())] = request;
  }
  return request;
}

Walk::Problem Walk::append() { return send(pick_request()); }

Walk::Problem Walk::send(const Request& request) {
  const std::size_t chunk = chance(50) ? 0 : 1 + below(4);
  doing_ = (chunk == 0 ? "append of " : "batch append of ") + std::to_string(request.events.size()) + " to " +
           request.stream + " (head " + text_of(model_.head(request.stream)) + "), " + text_of(request.expected);
  const auto answer = chunk == 0 ? client_.append(request.stream, request.expected, request.events)
                                 : client_.batch_append(request.stream, request.expected, request.events, chunk);
  return compare(model_.append(request.stream, request.expected, request.events), answer);
}

Walk::Problem Walk::write_metadata() {
  const std::string stream = pick_stream();
  const std::uint64_t next = model_.head(stream) ? *model_.head(stream) + 1 : 0;
  const std::string up_to_next = std::to_string(below(next + 1));
  const std::string count = std::to_string(1 + below(5));
  const std::vector<std::string> texts{R"({"$tb":)" + up_to_next + "}",
                                       R"({"$maxCount":)" + count + "}",
                                       R"({"mine":[1,"two"],"$maxCount":)" + count + R"(,"$tb":)" + up_to_next + "}",
                                       R"({"$maxAge":86400,"$cacheControl":7,"$acl":{"$r":"$all","$w":["a","b"]}})",
                                       R"({"$maxCount":"3","$tb":1})",
                                       R"({"$tb":-1,"$maxCount":0})",
                                       R"({"$tb":9223372036854775808})",
                                       R"({"$tb":9223372036854775807,"kept":true})",
                                       "{}",
                                       "[]",
                                       "no JSON"};
  Event event;
  event.id = new_id();
  event.type = "$metadata";
  event.data = pick(texts);
  const Request request{"$$" + stream, pick_expectation("$$" + stream), {event}};
  auto problem = send(request);
  doing_ += ", " + event.data;
  return problem;
}

Walk::Problem Walk::remove() {
  const std::string stream = pick_stream();
  const auto expected = pick_expectation(stream);
  const bool for_ever = chance(20);
  doing_ = (for_ever ? "tombstone of " : "deletion of ") + stream + " (head " + text_of(model_.head(stream)) + "), " +
           text_of(expected);
  return for_ever ? compare(model_.tombstone(stream, expected), client_.tombstone(stream, expected))
                  : compare(model_.soft_delete(stream, expected), client_.soft_delete(stream, expected));
}

Walk::Problem Walk::read_stream() {
  StreamRead wanted;
  wanted.stream = (chance(12) ? "$$" : "") + pick_stream();
  wanted.forwards = chance(50);
  wanted.count = chance(80) ? 1 + below(40) : 100'000;
  wanted.resolve_links = chance(50);
  wanted.positions = chance(50);
  const std::uint64_t next = model_.head(wanted.stream) ? *model_.head(wanted.stream) + 1 : 0;
  if (wanted.forwards || chance(60)) wanted.from = chance(30) ? 0 : below(next + 3);

  auto request = finite_read(wanted.forwards, wanted.count);
  auto& options = *request.mutable_options();
  options.mutable_stream()->mutable_stream_identifier()->set_stream_name(wanted.stream);
  if (!wanted.from) {
    options.mutable_stream()->mutable_end();
  } else if (*wanted.from == 0) {
    options.mutable_stream()->mutable_start();
  } else {
    options.mutable_stream()->set_revision(*wanted.from);
  }
  options.set_resolve_links(wanted.resolve_links);
  if (wanted.positions) options.mutable_control_option()->set_compatibility(1);
  doing_ = "read of " + wanted.stream + (wanted.forwards ? " forwards from " : " backwards from ") +
           text_of(wanted.from) + ", count " + std::to_string(wanted.count);
  return compare(model_.read(wanted), client_.read(request));
}

/// An event whose position is known, by its place in the model's log.
std::optional<std::size_t> Walk::pick_known_position() {
  for (int tries = 0; tries < 10 && !model_.log().empty(); ++tries) {
    const std::size_t index = below(model_.log().size());
    if (model_.log()[index].position) return index;
  }
  return std::nullopt;
}

/// All that matches is this walk's own, so that the whole answer is certain.
Walk::Problem Walk::read_all_filtered() {
  const bool forwards = chance(50);
  const std::uint64_t count = 1 + below(20);
  const auto start = chance(80) ? pick_known_position() : std::nullopt;
  const std::uint64_t kind = below(4);
  const bool resolve_links = chance(50);

  auto request = finite_read(forwards, count);
  auto& options = *request.mutable_options();
  auto& filter = *options.mutable_filter();
  if (chance(50)) {
    filter.set_max(static_cast<std::uint32_t>(1 + below(40)));
  } else {
    filter.mutable_count();
  }
  if (kind == 0) {
    filter.mutable_stream_identifier()->add_prefix(prefix_ + "-");
    filter.mutable_stream_identifier()->add_prefix("$$" + prefix_ + "-");
  }
  if (kind == 1) filter.mutable_stream_identifier()->set_regex("^(\\$\\$)?" + prefix_ + "-");
  if (kind == 2) filter.mutable_event_type()->add_prefix(prefix_ + ".A");
  if (kind == 3) filter.mutable_event_type()->set_regex(prefix_ + "\\.[AB]$");
  const auto matches = [&](const Stored& stored) {
    return kind < 2 || stored.type == prefix_ + ".A" || (kind == 3 && stored.type == prefix_ + ".B");
  };
  auto& all = *options.mutable_all();
  if (start) {
    all.mutable_position()->set_commit_position(*model_.log()[*start].position);
    all.mutable_position()->set_prepare_position(*model_.log()[*start].position);
  } else if (forwards) {
    all.mutable_start();
  } else {
    all.mutable_end();
  }
  options.set_resolve_links(resolve_links);
  doing_ = std::string("filtered read of all ") + (forwards ? "forwards" : "backwards") + " from place " +
           text_of(start) + ", count " + std::to_string(count) + ", filter " + std::to_string(kind);

  Page page;
  auto& log = model_.log();
  const auto take = [&](Stored& stored) {
    if (matches(stored)) page.entries.push_back(model_.entry(stored, resolve_links));
  };
  if (forwards) {
    for (std::size_t i = start.value_or(0); i < log.size() && page.entries.size() < count; ++i) take(log[i]);
  } else {
    for (std::size_t i = start.value_or(log.size()); i > 0 && page.entries.size() < count; --i) take(log[i - 1]);
  }
  return compare(page, client_.read(request));
}

/// Others write at the same time: the order is certain, and which of this walk's own events are there.
Walk::Problem Walk::read_all() {
  const auto start = pick_known_position();
  if (!start) return std::nullopt;
  const bool forwards = chance(50);
  auto& log = model_.log();
  auto request = finite_read(forwards, 1 + below(60));
  auto& from = *request.mutable_options()->mutable_all()->mutable_position();
  from.set_commit_position(*log[*start].position);
  from.set_prepare_position(*log[*start].position);
  doing_ =
      std::string("read of all ") + (forwards ? "forwards" : "backwards") + " from place " + std::to_string(*start);
  const auto answer = client_.read(request);
  if (!answer.problem.empty()) return answer.problem;

  std::size_t next = forwards ? *start : *start - 1;
  std::uint64_t last = forwards ? *log[*start].position - 1 : *log[*start].position;
  for (const SeenEntry& entry : answer.entries) {
    const SeenEvent& seen = *entry.event;
    const bool in_order = forwards ? seen.position > last : seen.position < last;
    if (!in_order) return "position " + std::to_string(seen.position) + " comes after " + std::to_string(last);
    last = seen.position;
    const bool own = seen.stream.starts_with(prefix_ + "-") || seen.stream.starts_with("$$" + prefix_ + "-");
    if (!own) continue;
    if (next >= log.size()) return "an event too many, in " + seen.stream;
    if (auto problem = compare(log[next], seen)) return problem;
    next += forwards ? 1 : static_cast<std::size_t>(-1);
  }
  const bool starts_itself =
      !forwards || (!answer.entries.empty() && answer.entries[0].event->position == *log[*start].position);
  return starts_itself ? std::nullopt : Problem("the event at the start is missing");
}

// ---------------------------------------------------------------- what came back

Walk::Problem Walk::compare(const Answer& expected, const WriteAnswer& answer) {
  if (answer.kind == WriteAnswer::Kind::failed) return answer.problem;
  if (static_cast<int>(expected.kind) != static_cast<int>(answer.kind)) {
    static const char* const names[] = {"success", "a wrong version", "a deleted stream"};
    return std::string("expected ") + names[static_cast<int>(expected.kind)] + ", found " +
           names[static_cast<int>(answer.kind)] + " (revision " + text_of(answer.revision) + ", actual " +
           text_of(answer.actual) + ")";
  }
  if (auto problem = unequal("actual version", expected.actual, answer.actual)) return problem;
  if (expected.kind != Answer::Kind::done) return std::nullopt;
  if (expected.last.empty()) {
    if (auto problem = unequal("revision", expected.revision, answer.revision)) return problem;
    return unequal("position", std::optional<std::uint64_t>(), answer.position);
  }
  Stored* last = expected.last.front();
  for (Stored* candidate : expected.last) {
    if (candidate->revision == answer.revision) last = candidate;
  }
  if (answer.revision) {
    if (auto problem = unequal("revision", std::optional(last->revision), answer.revision)) return problem;
  }
  if (!answer.position) return "the position is missing";
  return learn_position(*last, *answer.position);
}

Walk::Problem Walk::compare(const Page& expected, const ReadAnswer& answer) {
  if (!answer.problem.empty()) return answer.problem;
  if (static_cast<int>(expected.kind) != static_cast<int>(answer.kind)) {
    static const char* const names[] = {"events", "not found", "deleted", "failed"};
    return std::string("expected ") + names[static_cast<int>(expected.kind)] + ", found " +
           names[static_cast<int>(answer.kind)];
  }
  if (expected.entries.size() != answer.entries.size()) {
    return "expected " + std::to_string(expected.entries.size()) + " events, found " +
           std::to_string(answer.entries.size());
  }
  for (std::size_t i = 0; i < expected.entries.size(); ++i) {
    if (auto problem = compare(expected.entries[i], answer.entries[i])) {
      return "event " + std::to_string(i) + ": " + *problem;
    }
  }
  if (auto problem = unequal("first_stream_position", expected.first_position, answer.first_position)) return problem;
  return unequal("last_stream_position", expected.last_position, answer.last_position);
}

Walk::Problem Walk::compare(const Entry& expected, const SeenEntry& seen) {
  if ((expected.event != nullptr) != seen.event.has_value()) return "the event is there or not, unlike expected";
  if ((expected.link != nullptr) != seen.link.has_value()) return "the link is there or not, unlike expected";
  if (expected.link) {
    if (auto problem = compare(*expected.link, *seen.link)) return problem;
  }
  return expected.event ? compare(*expected.event, *seen.event) : std::nullopt;
}

Walk::Problem Walk::compare(Stored& expected, const SeenEvent& seen) {
  if (auto problem = unequal("stream", expected.stream, seen.stream)) return problem;
  if (auto problem = unequal("revision", std::optional(expected.revision), std::optional(seen.revision)))
    return problem;
  if (auto problem = unequal("type", expected.type, seen.type)) return problem;
  const std::string content_type = expected.json ? "application/json" : "application/octet-stream";
  if (auto problem = unequal("content type", content_type, seen.content_type)) return problem;
  const bool same_data = expected.by_server ? equal_json(expected.data, seen.data) : expected.data == seen.data;
  if (!same_data) return unequal("data", expected.data, seen.data);
  if (auto problem = unequal("metadata", expected.metadata, seen.metadata)) return problem;
  if (!expected.id) expected.id = EventId::parse(seen.id);
  if (!expected.id) return "the id is no UUID: " + seen.id;
  if (auto problem = unequal("id", expected.id->to_string(), seen.id)) return problem;
  return learn_position(expected, seen.position);
}

Walk::Problem Walk::learn_position(Stored& stored, std::uint64_t position) {
  if (stored.position) return unequal("position", stored.position, std::optional(position));
  const bool just_written = &stored == &model_.log().back();
  if (just_written && position <= newest_position_) return "the position does not lie after those before it";
  newest_position_ = std::max(newest_position_, position);
  stored.position = position;
  return std::nullopt;
}

std::optional<std::string> Walk::compare_everything(const std::vector<SeenEvent>& own_events, Client& client) {
  auto& log = model_.log();
  doing_ = "the whole log at the end";
  if (own_events.size() != log.size()) {
    return "expected " + std::to_string(log.size()) + " events, found " + std::to_string(own_events.size());
  }
  for (std::size_t i = 0; i < log.size(); ++i) {
    if (auto problem = compare(log[i], own_events[i])) return "event " + std::to_string(i) + ": " + *problem;
  }
  for (std::size_t slot = 0; slot < slots; ++slot) {
    for (const std::string& stream : {name_of(slot), "$$" + name_of(slot)}) {
      auto request = finite_read(true, 1'000'000);
      request.mutable_options()->mutable_stream()->mutable_stream_identifier()->set_stream_name(stream);
      request.mutable_options()->mutable_stream()->mutable_start();
      const auto page = model_.read({stream, true, 0, 1'000'000, false, false});
      if (auto problem = compare(page, client.read(request))) return stream + ": " + *problem;
    }
  }
  return std::nullopt;
}

}  // namespace twinstream::property
