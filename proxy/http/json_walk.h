#pragma once

#include "proxy/core/json_scanner.h"

namespace twinstream::http {

/// A JsonSink for those to whom all scalars are alike.
class JsonWalk : public JsonSink {
 public:
  bool begin_object(std::size_t at) final { return open(true, at); }
  bool begin_array(std::size_t at) final { return open(false, at); }
  bool end_object(std::size_t at) final { return close(true, at); }
  bool end_array(std::size_t at) final { return close(false, at); }
  bool string(std::string_view token) final { return scalar(token); }
  bool number(std::string_view token) final { return scalar(token); }
  bool word(std::string_view token) final { return scalar(token); }

 protected:
  virtual bool open(bool object, std::size_t at) = 0;
  virtual bool close(bool object, std::size_t at) = 0;
  virtual bool scalar(std::string_view token) = 0;
};

}  // namespace twinstream::http
