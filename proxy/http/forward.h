#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/config.h"
#include "proxy/http/head.h"
#include "proxy/http/message.h"

// What a gateway changes in the heads that pass through it (RFC 9110 sections 7.6.1 and 7.6.3). Pure functions on
// text: they append to `out`, which callers reuse.

namespace twinstream::http {

std::optional<std::string_view> find_field(const std::vector<FieldView>& fields, std::string_view name);

/// Concerns one connection only, whatever Connection says: never forwarded.
bool is_hop_by_hop(std::string_view name);

bool is_idempotent(std::string_view method);  ///< repeating it does what doing it once does (RFC 9110 section 9.2.2)
bool expects_continue(const RequestHead& head);
/// The protocol that the client asks to switch to. Not `h2c`: inside it, writes would pass the proxy unseen.
std::optional<std::string_view> upgrade_protocol(const RequestHead& head);

/// The head for the backend: base path before the target, the client's Host, Via and X-Forwarded-* added. A
/// X-Forwarded-For list is appended to; an existing X-Forwarded-Proto or -Host was set by a proxy before us and stays.
void write_request_head(std::string& out, const RequestHead& head, std::string_view client_address,
                        const BackendConfig& backend);

/// What the client's side of an exchange needs of the head.
struct ClientSide {
  int version = 11;
  bool head_request = false;
  bool keep_alive = true;  ///< false: announce that the connection ends
};

/// How the body of this answer is told to such a client: a body of unknown length becomes chunked, or ends with the
/// connection for HTTP/1.0.
Framing client_framing(const ResponseHead& head, const ClientSide& client);
void write_response_head(std::string& out, const ResponseHead& head, const ClientSide& client);
void write_interim_head(std::string& out, const ResponseHead& head);    ///< 1xx but 101
void write_switching_head(std::string& out, const ResponseHead& head);  ///< 101

/// The head of an answer of our own, with Content-Length and Date.
void write_own_head(std::string& out, const Response& response, const ClientSide& client);

/// The response of a backend as a value: hop-by-hop fields and framing left out.
Response to_response(const ResponseHead& head, bool head_request);
Request to_request(const RequestHead& head, std::string_view client_address);  ///< with an empty body

}  // namespace twinstream::http
