#include "proxy/engine/category.h"

namespace twinstream {
namespace {

constexpr std::size_t most_touched = 20'000;
constexpr std::string_view everything_else = "*";

std::string_view governing_category(std::string_view stream) {
  return category_of(stream.starts_with("$$") ? stream.substr(2) : stream);
}

}  // namespace

Category::Permit::Permit(Category& category, std::string stream) : category_(&category), stream_(std::move(stream)) {
  ++category.under_way_;
  if (!stream_.empty()) ++category.writing_[stream_];
}

Category::Permit::~Permit() {
  if (category_ == nullptr) return;
  --category_->under_way_;
  if (const auto found = category_->writing_.find(stream_); found != category_->writing_.end() && --found->second == 0) {
    category_->writing_.erase(found);
  }
  category_->changed_.notify();
}

Awaitable<Result<Category::Permit>> Category::admit(Clock& clock, std::chrono::nanoseconds limit,
                                                     std::string stream) {
  if (held_ && !co_await wait_until(changed_, clock, limit, [this] { return !held_; })) {
    co_return Failure{FailureCode::unavailable,
                      "writes of category " + config.name + " are held while its authority changes; try again", {}};
  }
  co_return Permit(*this, std::move(stream));
}

void Category::release() {
  held_ = false;
  changed_.notify();
}

Awaitable<bool> Category::drained(Clock& clock, std::chrono::nanoseconds limit) {
  co_return co_await wait_until(changed_, clock, limit, [this] { return under_way_ == 0; });
}

Awaitable<bool> Category::appends_ended(Clock& clock, std::chrono::nanoseconds limit, std::string stream) {
  co_return co_await wait_until(changed_, clock, limit, [this, stream] { return !writing_.contains(stream); });
}

void Category::note_touched(std::string_view stream) {
  if (too_many_touched_ || touched_.contains(stream)) return;
  if (touched_.size() >= most_touched) {
    too_many_touched_ = true;
    touched_.clear();
  } else {
    touched_.emplace(stream);
  }
}

void Category::forget_touched() {
  touched_.clear();
  too_many_touched_ = false;
}

Result<Done> Categories::apply(const Config& config) {
  std::map<std::string, CategoryConfig> wanted;
  for (const CategoryConfig& category : config.categories) wanted[category.name] = category;
  for (const auto& [name, category] : by_name_) {
    if (!wanted.contains(name) && category->state.eventstore_is_authority) {
      return Failure{FailureCode::rejected,
                     "category " + name + " is in retire and cannot be taken out of the file: set it back to "
                     "read-switch first", {}};
    }
  }
  const auto rest = by_name_.find(std::string(everything_else));
  const bool rest_is_retired = rest != by_name_.end() && rest->second->state.eventstore_is_authority;
  for (const auto& [name, category] : wanted) {
    if (rest_is_retired && !by_name_.contains(name) && !states_.contains(name)) {
      return Failure{FailureCode::rejected,
                     "category " + name + " cannot be split off from * while * is in retire: set * back to "
                     "read-switch first", {}};
    }
  }
  for (auto entry = by_name_.begin(); entry != by_name_.end();) {
    if (wanted.contains(entry->first)) {
      ++entry;
      continue;
    }
    states_[entry->first] = entry->second->state;
    former_.push_back(std::move(entry->second));
    entry = by_name_.erase(entry);
  }
  for (auto& [name, category] : wanted) {
    auto& slot = by_name_[name];
    if (slot) {
      slot->config = std::move(category);
    } else {
      slot = std::make_unique<Category>(std::move(category), states_[name]);
    }
  }
  publish();
  return Done{};
}

Category& Categories::of(std::string_view stream) { return entry(governing_category(stream)); }

Category& Categories::entry(std::string_view category) {
  if (const auto found = by_name_.find(std::string(category)); found != by_name_.end()) return *found->second;
  auto& rest = by_name_[std::string(everything_else)];
  if (!rest) {
    CategoryConfig unconfigured;
    unconfigured.name = everything_else;
    rest = std::make_unique<Category>(std::move(unconfigured), CategoryState{});
  }
  return *rest;
}

void Categories::publish() {
  auto views = std::make_shared<std::map<std::string, CategoryView, std::less<>>>();
  for (const auto& [name, category] : by_name_) {
    (*views)[name] = {name, category->state.phase, category->state.eventstore_is_authority, category->mirrored_back(),
                      category->config.reads};
  }
  whole_log_ = find_whole_log();
  const std::lock_guard lock(mutex_);
  views_ = std::move(views);
}

WholeLog Categories::find_whole_log() const {
  const bool rest_is_known = by_name_.contains(std::string(everything_else));
  bool all_retired = rest_is_known, postgres_is_whole = true, eventstore_is_whole = rest_is_known;
  for (const auto& [name, category] : by_name_) {
    if (category->state.eventstore_is_authority) {
      postgres_is_whole = postgres_is_whole && category->config.rollback;
    } else {
      all_retired = false;
      eventstore_is_whole = eventstore_is_whole && category->mirrored_forward() && category->state.backfilled;
    }
  }
  if (all_retired) return WholeLog::eventstore;
  if (postgres_is_whole) return WholeLog::postgres;
  return eventstore_is_whole ? WholeLog::eventstore : WholeLog::neither;
}

CategoryView Categories::view(std::string_view stream) const {
  std::shared_ptr<const std::map<std::string, CategoryView, std::less<>>> views;
  {
    const std::lock_guard lock(mutex_);
    views = views_;
  }
  if (!views) return CategoryView{};
  auto found = views->find(governing_category(stream));
  if (found == views->end()) found = views->find(everything_else);
  return found == views->end() ? CategoryView{} : found->second;
}

}  // namespace twinstream
