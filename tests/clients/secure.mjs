// Encryption, credentials and rights, against a sink with TLS and users.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { deleteDirectory, temporaryDirectory } from "./sink.mjs";

const run = promisify(execFile);
const here = dirname(fileURLToPath(import.meta.url));
const binary = process.env.TWINSTREAM_BINARY ?? resolve(here, "../../build/proxy/twinstream");

/// An authority and a certificate for localhost and 127.0.0.1, in files of this directory.
async function makeCertificates(directory) {
  const file = (name) => join(directory, name);
  const openssl = (...words) => run("openssl", words);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const ca = { cert: file("ca.pem"), key: file("ca.key") };
  const server = { cert: file("server.pem"), key: file("server.key"), request: file("server.csr") };
  await openssl("req", "-x509", ...key, "-keyout", ca.key, "-out", ca.cert, "-subj", "/CN=authority", "-days", "2");
  await openssl("req", ...key, "-keyout", server.key, "-out", server.request, "-subj", "/CN=localhost",
    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1");
  await openssl("x509", "-req", "-in", server.request, "-CA", ca.cert, "-CAkey", ca.key, "-CAcreateserial",
    "-copy_extensions", "copy", "-days", "2", "-out", server.cert);
  return { ca: ca.cert, cert: server.cert, key: server.key };
}

async function startSecured(directory, files) {
  const words = ["sink", "--data", directory, "--listen", "127.0.0.1:0"];
  const tls = ["--tls-cert", files.cert, "--tls-key", files.key, "--users", join(directory, "users.json")];
  const child = spawn(binary, [...words, ...tls], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  child.stderr.on("data", (data) => (log += data));
  const ended = new Promise((done) => child.once("exit", (code, signal) => done(signal ?? code)));
  const address = await new Promise((done, fail) => {
    child.once("error", fail);
    ended.then((how) => fail(new Error(`the sink ended: ${how} ${log}`)));
    createInterface({ input: child.stdout }).once("line", (line) => done(/listening on (\S+),/.exec(line)[1]));
  });
  return {
    port: address.split(":").at(-1),
    log: () => log,
    stop: () => {
      child.kill("SIGTERM");
      return ended;
    },
  };
}

/// Makes a user the way an administrator does: the password goes through standard input.
function setPassword(directory, name, password, ...options) {
  return new Promise((done, fail) => {
    const child = spawn(binary, ["sink", "user", "--data", directory, name, ...options], {
      stdio: ["pipe", "ignore", "inherit"],
    });
    child.once("exit", (code) => (code === 0 ? done() : fail(new Error(`exit status ${code}`))));
    child.stdin.end(`${password}\n`);
  });
}

/// `connect` makes a client from what follows the scheme in a connection string.
export function secureSuite(name, library, connect) {
  describe(`${name}, secured`, () => {
    let directory;
    let files;
    let sink;

    before(async () => {
      directory = await temporaryDirectory();
      files = await makeCertificates(directory);
      await setPassword(directory, "jane", "janes-secret");
      sink = await startSecured(directory, files);
    });
    after(async () => {
      assert.equal(await sink.stop(), 0);
      for (const secret of ["changeit", "janes-secret", "pbkdf2", Buffer.from("admin:changeit").toString("base64")]) {
        assert.ok(!sink.log().replace("password of a fresh server", "").includes(secret), "the log tells a secret");
      }
      await deleteDirectory(directory);
    });
    const clients = [];
    const { jsonEvent, AccessDeniedError } = library;
    const event = () => jsonEvent({ type: "Tested", data: { n: 1 } });
    const fresh = () => `order-${randomUUID()}`;
    const open = (user = "", options = "") => {
      const credentials = user && `${user}@`;
      const client = connect(`${credentials}localhost:${sink.port}?tls=true&tlsCAFile=${files.ca}${options}`);
      clients.push(client);
      return client;
    };
    const admin = () => open("admin:changeit");
    const jane = () => open("jane:janes-secret");
    const collect = async (events) => {
      const found = [];
      for await (const resolved of events) found.push(resolved.event);
      return found;
    };
    const denied = (promise) => assert.rejects(promise, (error) => error instanceof AccessDeniedError);

    after(async () => {
      for (const client of clients) await client.dispose();
    });

    test("appends, reads and subscribes over TLS with the credentials of the connection", async () => {
      const stream = fresh();
      const client = admin();
      assert.equal((await client.appendToStream(stream, [event(), event()])).nextExpectedRevision, 1n);
      assert.equal((await collect(client.readStream(stream))).length, 2);
      assert.ok((await collect(client.readAll({ maxCount: 2 }))).length === 2);
      const subscription = client.subscribeToStream(stream, { fromRevision: "start" });
      for await (const { event: found } of subscription) {
        if (found.revision === 1n) break;
      }
      await subscription.unsubscribe();
    });

    test("discovers through gossip over TLS", async () => {
      const client = connect(`admin:changeit@localhost:${sink.port},127.0.0.1:${sink.port}?tlsCAFile=${files.ca}`);
      clients.push(client);
      assert.equal((await client.appendToStream(fresh(), event())).success, true);
    });

    test("takes the credentials of a call, which come before those of the connection", async () => {
      const client = jane();
      const credentials = { username: "admin", password: "changeit" };
      const stream = `$system-${randomUUID()}`;
      await denied(client.appendToStream(stream, event()));
      assert.equal((await client.appendToStream(stream, event(), { credentials })).success, true);
      await denied(collect(client.readStream(stream)));
      assert.equal((await collect(client.readStream(stream, { credentials }))).length, 1);
      const wrong = { username: "admin", password: "wrong" };
      await denied(client.appendToStream(fresh(), event(), { credentials: wrong }));
    });

    test("is denied with a wrong password and without credentials", async () => {
      for (const client of [open("admin:wrong"), open("nobody:changeit"), open()]) {
        await denied(client.appendToStream(fresh(), event()));
        await denied(collect(client.readStream(fresh())));
        await denied(client.deleteStream(fresh()));
      }
    });

    test("a user has streams of its own kind but not $all, nor system streams", async () => {
      const client = jane();
      const stream = fresh();
      await client.appendToStream(stream, event());
      assert.equal((await collect(client.readStream(stream))).length, 1);
      await denied(collect(client.readAll({ maxCount: 1 })));
      await denied(client.appendToStream("$system-1", event()));
      await denied(client.tombstoneStream("$system-1"));
      await client.deleteStream(stream);
    });

    test("the rights in a stream's metadata are enforced", async () => {
      const stream = fresh();
      await admin().appendToStream(stream, event());
      const acl = { readRoles: ["jane"], writeRoles: ["$admins"], deleteRoles: ["$admins"] };
      await admin().setStreamMetadata(stream, { acl });
      const client = jane();
      assert.equal((await collect(client.readStream(stream))).length, 1);
      await denied(client.appendToStream(stream, event()));
      await denied(client.deleteStream(stream));
      assert.equal((await admin().appendToStream(stream, event())).nextExpectedRevision, 1n);
    });

    test("does not trust a server of another authority", async () => {
      const client = connect(`admin:changeit@localhost:${sink.port}?tls=true&defaultDeadline=2000`);
      clients.push(client);
      await assert.rejects(client.appendToStream(fresh(), event()));
    });
  });
}
