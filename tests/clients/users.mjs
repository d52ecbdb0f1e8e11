// The service Users, for which the clients have no methods, through the messages that one of them brings.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/// As the caller whose `login:password` is given.
export async function usersOf(address, caFile, caller) {
  const { credentials, Metadata } = require("@grpc/grpc-js");
  const { UsersClient } = require("./node_modules/@eventstore/db-client/generated/users_grpc_pb.js");
  const messages = require("./node_modules/@eventstore/db-client/generated/users_pb.js");
  const service = new UsersClient(address, credentials.createSsl(await readFile(caFile)));
  const metadata = new Metadata();
  metadata.set("authorization", `Basic ${Buffer.from(caller).toString("base64")}`);

  /// A request of this kind whose options are filled by setters: `{ LoginName: "john" }`.
  const request = (kind, values) => {
    const options = new messages[kind].Options();
    for (const [name, value] of Object.entries(values)) options[`set${name}`](value);
    const message = new messages[kind]();
    message.setOptions(options);
    return message;
  };
  const call = (method, kind, values) =>
    new Promise((done, fail) =>
      service[method](request(kind, values), metadata, (error, response) => (error ? fail(error) : done(response))));

  return {
    create: (LoginName, Password) => call("create", "CreateReq", { LoginName, Password }),
    update: (LoginName, GroupsList) => call("update", "UpdateReq", { LoginName, GroupsList }),
    disable: (LoginName) => call("disable", "DisableReq", { LoginName }),
    enable: (LoginName) => call("enable", "EnableReq", { LoginName }),
    remove: (LoginName) => call("delete", "DeleteReq", { LoginName }),
    resetPassword: (LoginName, NewPassword) => call("resetPassword", "ResetPasswordReq", { LoginName, NewPassword }),
    changePassword: (LoginName, CurrentPassword, NewPassword) =>
      call("changePassword", "ChangePasswordReq", { LoginName, CurrentPassword, NewPassword }),
    details: (LoginName) =>
      new Promise((done, fail) => {
        const answers = service.details(request("DetailsReq", { LoginName }), metadata);
        answers.once("error", fail);
        answers.once("data", (answer) => {
          const found = answer.getUserDetails();
          done({ login: found.getLoginName(), groups: found.getGroupsList(), disabled: found.getDisabled() });
        });
      }),
    close: () => service.close(),
  };
}
