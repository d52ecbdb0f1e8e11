#include "tests/unit/grpc/door_fixture.h"

namespace twinstream {
namespace {

using grpc::StatusCode;
using Revisions = std::vector<std::uint64_t>;
using DoorDeletion = DoorTest;

TEST_F(DoorDeletion, an_unset_expectation_is_an_invalid_argument_and_no_options_are_unknown) {
  for (const bool with_options : {true, false}) {
    streams::DeleteReq request;
    if (with_options) request.mutable_options()->mutable_stream_identifier()->set_stream_name("s");
    streams::DeleteResp response;
    grpc::ClientContext context;
    const auto expected = with_options ? StatusCode::INVALID_ARGUMENT : StatusCode::UNKNOWN;
    EXPECT_EQ(stub_->Delete(&context, request, &response).error_code(), expected);
  }
}

TEST_F(DoorDeletion, names_in_trailers_are_printable_ascii) {
  EXPECT_EQ(soft_delete("caf\xc3\xa9").trailer("stream-name"), "caf%C3%A9");
}

}  // namespace
}  // namespace twinstream
