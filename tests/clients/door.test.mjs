// What the commands say of the files that secure serve's gRPC door, and what a running serve takes over from them.
import assert from "node:assert/strict";
import { chmod, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import library from "@eventstore/db-client";

import { makeCertificates } from "./certificates.mjs";
import { binary, must, run } from "./process.mjs";
import { startProxy } from "./proxy.mjs";
import { deleteDirectory, temporaryDirectory } from "./sink.mjs";

describe("the files behind serve's gRPC door", () => {
  let directory;
  let files;
  let file;
  before(async () => {
    directory = await temporaryDirectory();
    files = await makeCertificates(directory);
    file = join(directory, "twinstream.yaml");
  });
  after(() => deleteDirectory(directory));

  /// Writes a file whose door listens for everybody; its keys stand in lines 4 and following.
  const write = (keys) => {
    const lines = Object.entries(keys).map(([key, value]) => `  ${key}: ${value}\n`);
    return writeFile(file, `postgres: {url: "postgresql://127.0.0.1:1/db"}\ngrpc:\n  listen: 0.0.0.0:0\n${lines.join("")}`);
  };
  /// All commands that use the door refuse the file, with this error.
  const refused = async (keys, error) => {
    await write(keys);
    for (const words of [["config", "check", file], ["doctor", "--config", file], ["serve", "--config", file]]) {
      const { status, errors } = await run(binary, words);
      assert.deepEqual({ status, errors }, { status: 2, errors: `${file}:${error}\n` }, words[0]);
    }
  };
  const tls = () => ({ tls_cert: files.cert, tls_key: files.key });

  test("no TLS on an address that other machines reach", () =>
    refused({}, "3:11: grpc.listen: is reachable from other machines, without encryption or passwords: add `tls_cert`, " +
      "`tls_key` and `users`, or `insecure: true` if that is meant"));

  test("a file that is not there", () =>
    refused({ ...tls(), tls_cert: "/nowhere.pem" }, "4:13: grpc.tls_cert: /nowhere.pem cannot be read"));

  test("a key of another certificate", () =>
    refused({ ...tls(), tls_key: files.otherKey },
      `5:12: grpc.tls_key: ${files.otherKey} does not belong to the certificate in ${files.cert}`));

  test("an authority that is none", () =>
    refused({ ...tls(), tls_ca: files.key }, `6:11: grpc.tls_ca: ${files.key} holds no certificate in PEM form`));

  test("a users file that is none, or that has no directory", async () => {
    await refused({ ...tls(), users: files.cert },
      `6:10: grpc.users: users file ${files.cert} is not what this program writes: move it away, then a new one can be made`);
    await refused({ ...tls(), users: "/nowhere/users.json" },
      "6:10: grpc.users: users file /nowhere/users.json cannot be made in its directory: No such file or directory");
  });

  test("commands that do not open the door do not need its files", async () => {
    await write({ ...tls(), tls_cert: "/nowhere.pem" });
    const { status, errors } = await run(binary, ["status", "--config", file]);
    assert.notEqual(status, 2, errors);
    assert.doesNotMatch(errors, /nowhere/);
  });

  test("doctor tells what is there, and warns of what is weak", async () => {
    const users = join(directory, "users.json");
    const grpc = async () => {
      const { output } = await run(binary, ["doctor", "--config", file]);
      return output.slice(output.indexOf("grpc\n"), output.lastIndexOf("not ready"));
    };
    await write({ ...tls(), users });
    const certificate = `grpc\n  ok       TLS with the certificate in ${files.cert}\n`;
    assert.equal(await grpc(), `${certificate}  warning  ${users} will be made with the users and passwords of a fresh ` +
      "server: set others with `twinstream user`\n");
    await assert.rejects(readFile(users), "it only looks");

    await must(binary, ["user", "--config", file, "jane"], "secret\n");
    await chmod(users, 0o644);
    assert.equal(await grpc(), `${certificate}  ok       3 users in ${users}\n` +
      "  warning  the user admin has the password of a fresh server: set another one with `twinstream user`\n" +
      `  warning  others than its owner may read ${users}, which holds hashes of passwords: chmod 600\n`);

    await must(binary, ["user", "--config", file, "admin"], "other\n"); // the file is replaced by one for its owner only
    assert.equal(await grpc(), `${certificate}  ok       3 users in ${users}\n`);
    await rm(users);

    await write({ insecure: true });
    assert.equal(await grpc(), "grpc\n  ok       cleartext\n" +
      "  warning  `insecure: true`: whoever reaches this address may read and write\n" +
      "  ok       no users: nobody is asked for a name\n");
  });

  test("a user can be made only where the configuration names a file for users", async () => {
    await write(tls());
    const { status, errors } = await run(binary, ["user", "--config", file, "jane"], "secret\n");
    assert.equal(status, 1);
    assert.equal(errors, `twinstream user: ${file} names no users file: add \`users\` to its section \`grpc\`\n`);
  });
});

test("a running serve says which changes of its door wait for a restart, and which would not survive one", async () => {
  const directory = await temporaryDirectory();
  const files = await makeCertificates(directory);
  const users = join(directory, "users.json");
  const proxy = await startProxy({ phase: "observe" }, { tls_cert: files.cert, tls_key: files.key, users });
  try {
    const told = async (text) => {
      while (!proxy.log().includes(text)) await new Promise((done) => setTimeout(done, 20));
    };
    const before = await readFile(proxy.file, "utf8");
    await writeFile(proxy.file, before.replace(files.key, files.otherKey));
    await told('needs a restart field=grpc');
    await told(`a restart would fail field=grpc.tls_key reason="${files.otherKey} does not belong`);
    const port = proxy.address.split(":").at(-1);
    const client = library.EventStoreDBClient.connectionString(
      `esdb://admin:changeit@localhost:${port}?tlsCAFile=${files.ca}`);
    await client.appendToStream("order-1", library.jsonEvent({ type: "Tested", data: {} }));
    await client.dispose();
  } finally {
    await proxy.stop();
    await deleteDirectory(directory);
  }
});
