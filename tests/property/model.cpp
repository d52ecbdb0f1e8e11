#include "tests/property/model.h"

#include <algorithm>
#include <boost/json.hpp>

namespace twinstream::property {
namespace {

using Kind = ExpectedRevision::Kind;

bool describes_another(const std::string& stream) { return stream.starts_with("$$"); }

/// Integers of the wrong type, or a `$tb` beyond 2^63-1, empty the whole metadata; numbers that are not positive are
/// ignored.
bool take_number(const boost::json::object& object, const char* key, std::optional<std::uint64_t>& number) {
  const auto* value = object.if_contains(key);
  if (!value) return true;
  if (!value->is_int64()) return false;
  if (value->as_int64() > 0) number = static_cast<std::uint64_t>(value->as_int64());
  return true;
}

std::optional<boost::json::object> object_of(const std::string& text) {
  boost::json::error_code error;
  auto value = boost::json::parse(text, error);
  if (error || !value.is_object()) return std::nullopt;
  return value.as_object();
}

}  // namespace

std::optional<std::uint64_t> Model::head(const std::string& stream) const {
  const auto found = streams_.find(stream);
  if (found == streams_.end() || found->second.empty()) return std::nullopt;
  return found->second.back()->revision;
}

bool Model::is_tombstoned(const std::string& stream) const {
  return tombstones_.contains(stream) || (describes_another(stream) && tombstones_.contains(stream.substr(2)));
}

Model::Rules Model::rules(const std::string& stream) const {
  if (describes_another(stream)) return {0, 1};
  const auto found = streams_.find("$$" + stream);
  if (found == streams_.end() || found->second.empty()) return {};
  const Stored& latest = *found->second.back();
  const auto object = latest.type == "$metadata" && latest.json ? object_of(latest.data) : std::nullopt;
  if (!object) return {};
  std::optional<std::uint64_t> truncate_before, max_count, max_age;
  const bool valid = take_number(*object, "$tb", truncate_before) && take_number(*object, "$maxCount", max_count) &&
                     take_number(*object, "$maxAge", max_age);
  return valid ? Rules{truncate_before.value_or(0), max_count} : Rules{};
}

std::uint64_t Model::first_visible(const std::string& stream) const {
  const Rules found = rules(stream);
  const std::uint64_t last = *head(stream);
  const std::uint64_t kept = found.max_count && *found.max_count <= last ? last - *found.max_count + 1 : 0;
  return std::max(found.truncate_before, kept);
}

Stored& Model::add(Stored stored) {
  log_.push_back(std::move(stored));
  return log_.back();
}

Answer Model::write(const std::string& stream, const std::vector<Event>& events) {
  Answer answer;
  const auto before = head(stream);
  const bool was_deleted = is_soft_deleted(stream);
  const std::string described = describes_another(stream) ? stream.substr(2) : "";
  const bool described_was_deleted = !described.empty() && !events.empty() && is_soft_deleted(described);
  for (const Event& event : events) {
    const std::uint64_t revision = head(stream) ? *head(stream) + 1 : 0;
    Stored& stored = add({stream,
                          revision,
                          event.id,
                          event.type,
                          event.data,
                          event.metadata,
                          event.content_type == ContentType::json,
                          false,
                          {}});
    streams_[stream].push_back(&stored);
    answer.last = {&stored};
  }
  answer.revision = head(stream);
  if (was_deleted) bring_back(stream, before ? *before + 1 : 0);
  if (described_was_deleted) bring_back(described, head(described) ? *head(described) + 1 : 0);
  return answer;
}

/// The latest metadata once more, with another `$tb`; nothing when that is no JSON object.
void Model::bring_back(const std::string& stream, std::uint64_t first) {
  const std::string name = "$$" + stream;
  const Stored& latest = *streams_[name].back();
  auto object = latest.type == "$metadata" && latest.json ? object_of(latest.data) : std::nullopt;
  if (!object) return;
  (*object)["$tb"] = first;
  Stored& stored =
      add({name, latest.revision + 1, {}, "$metadata", boost::json::serialize(*object), "", true, true, {}});
  streams_[name].push_back(&stored);
}

Answer Model::append(const std::string& stream, ExpectedRevision expected, const std::vector<Event>& events) {
  if (is_tombstoned(stream)) return deleted();
  const auto last = head(stream);
  switch (expected.kind) {
    case Kind::any: return unless_known(stream, events);
    case Kind::stream_exists:
      if (is_soft_deleted(stream)) return deleted();
      if (!last && !has_metadata(stream)) return wrong(stream);
      return unless_known(stream, events);
    case Kind::no_stream: return last ? compare_at(stream, 0, events) : write(stream, events);
    case Kind::exact: break;
  }
  if (!last || expected.revision > *last) return wrong(stream);
  if (expected.revision == *last) return write(stream, events);
  return compare_at(stream, expected.revision + 1, events);
}

/// By ids alone, in any order: all known is a repetition, the first one unknown is news, a mixture is a conflict.
Answer Model::unless_known(const std::string& stream, const std::vector<Event>& events) {
  Answer answer;
  for (const Event& event : events) {
    std::vector<Stored*> known;
    for (Stored* stored : streams_[stream]) {
      if (stored->id == event.id) known.push_back(stored);
    }
    if (known.empty() && &event == &events.front()) return write(stream, events);
    if (known.empty()) return wrong(stream);
    answer.last = known;
  }
  return events.empty() ? write(stream, events) : answer;
}

/// A repetition of what stands at `first` and after.
Answer Model::compare_at(const std::string& stream, std::uint64_t first, const std::vector<Event>& events) {
  const auto& stored = streams_[stream];
  std::size_t equal = 0;
  while (equal < events.size() && first + equal < stored.size() && stored[first + equal]->id == events[equal].id) {
    ++equal;
  }
  if (equal == events.size() && equal > 0) {
    Stored* last = stored[first + equal - 1];
    return {Answer::Kind::done, {}, last->revision, {last}};
  }
  if (first == 0 && equal == 0 && is_soft_deleted(stream)) return write(stream, events);
  return wrong(stream);
}

/// What both kinds of deletion refuse.
std::optional<Answer> Model::refuse(const std::string& stream, ExpectedRevision expected) const {
  if (is_tombstoned(stream)) return deleted();
  const auto last = head(stream);
  const bool gone = is_soft_deleted(stream);
  switch (expected.kind) {
    case Kind::any: return std::nullopt;
    case Kind::no_stream: return last && !gone ? std::optional(wrong(stream)) : std::nullopt;
    case Kind::stream_exists:
      if (gone) return deleted();
      return !last && !has_metadata(stream) ? std::optional(wrong(stream)) : std::nullopt;
    case Kind::exact: break;
  }
  return last == expected.revision ? std::nullopt : std::optional(wrong(stream));
}

Answer Model::soft_delete(const std::string& stream, ExpectedRevision expected) {
  if (is_tombstoned(stream)) return deleted();
  if (!head(stream) && !has_metadata(stream)) return wrong(stream);
  if (const auto refused = refuse(stream, expected)) return *refused;
  const std::string name = "$$" + stream;
  const std::uint64_t revision = head(name) ? *head(name) + 1 : 0;
  Stored& mark = add({name, revision, {}, "$metadata", R"({"$tb":9223372036854775807})", "", true, true, {}});
  streams_[name].push_back(&mark);
  return {Answer::Kind::done, {}, {}, {&mark}};
}

Answer Model::tombstone(const std::string& stream, ExpectedRevision expected) {
  if (const auto refused = refuse(stream, expected)) return *refused;
  Stored& mark = add({stream, no_more, {}, "$streamDeleted", "", "", false, false, {}});
  tombstones_[stream] = &mark;
  return {Answer::Kind::done, {}, {}, {&mark}};
}

/// `N@stream` in an event of type `$>`: the target, when a reader could see it.
Entry Model::entry(Stored& stored, bool resolve_links) {
  if (!resolve_links || stored.type != "$>") return {&stored, nullptr};
  const std::size_t at = stored.data.find('@');
  const std::uint64_t revision = std::stoull(stored.data.substr(0, at));
  const std::string target = stored.data.substr(at + 1);
  if (is_tombstoned(target) || !head(target) || is_soft_deleted(target)) return {nullptr, &stored};
  if (revision > *head(target) || revision < first_visible(target)) return {nullptr, &stored};
  return {streams_[target][revision], &stored};
}

Page Model::read(const StreamRead& request) {
  if (is_tombstoned(request.stream)) return {Page::Kind::deleted, {}, {}, {}};
  const auto last = head(request.stream);
  if (!last || is_soft_deleted(request.stream)) return {Page::Kind::not_found, {}, {}, {}};
  const auto& events = streams_[request.stream];
  const std::uint64_t first = first_visible(request.stream);
  Page page;
  if (request.forwards) {
    const std::uint64_t readable = std::max(*request.from, first);
    for (std::uint64_t revision = readable; revision <= *last && page.entries.size() < request.count; ++revision) {
      page.entries.push_back(entry(*events[revision], request.resolve_links));
    }
    const std::uint64_t next = std::min(readable, *last + 1);
    const bool on_first_page =
        readable <= *last && readable < *request.from + std::min<std::uint64_t>(32, request.count);
    if (!on_first_page && next != *request.from) page.first_position = next;
  } else {
    for (std::uint64_t next = std::min(request.from.value_or(*last), *last) + 1;
         next > first && page.entries.size() < request.count; --next) {
      page.entries.push_back(entry(*events[next - 1], request.resolve_links));
    }
  }
  page.last_position = *last;
  if (!request.positions) page.first_position = page.last_position = std::nullopt;
  return page;
}

}  // namespace twinstream::property
