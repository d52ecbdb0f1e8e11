// Encryption, credentials and rights, against every server that has them.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { makeCertificates } from "./certificates.mjs";
import { binary, must } from "./process.mjs";
import { startProxy } from "./proxy.mjs";
import { deleteDirectory, startSink, temporaryDirectory } from "./sink.mjs";
import { usersOf } from "./users.mjs";

/// Makes a user the way an operator does: the password goes through standard input.
const setPassword = (command) => (name, password, ...options) =>
  must(binary, [...command, name, ...options], `${password}\n`);

const securedSink = {
  name: "embedded server",
  holdsMetadata: true,
  async start({ cert, key }, users) {
    const directory = await temporaryDirectory();
    const options = ["--tls-cert", cert, "--tls-key", key, "--users", users];
    const sink = await startSink(directory, 0, options);
    return {
      ...sink,
      setPassword: setPassword(["sink", "user", "--data", directory, "--users", users]),
      async stop() {
        assert.equal(await sink.stop(), 0);
        await deleteDirectory(directory);
      },
    };
  },
};

const securedProxy = (category, decidedElsewhere) => ({
  name: `gRPC door of the proxy in ${category.phase}`,
  decidedElsewhere, // by EventStore alone
  holdsMetadata: decidedElsewhere, // PostgreSQL has no place for it
  async start({ cert, key }, users) {
    const proxy = await startProxy(category, { tls_cert: cert, tls_key: key, users });
    return { ...proxy, setPassword: setPassword(["user", "--config", proxy.file]) };
  },
});

const kinds = [
  securedSink,
  securedProxy({ phase: "dual-write" }, false),
  securedProxy({ phase: "retire", rollback: false }, true),
];

/// `connect` makes a client from what follows the scheme in a connection string.
export function secureSuite(name, library, connect) {
  for (const kind of kinds) describe(`${name}, secured, ${kind.name}`, () => secureCases(kind, library, connect));
}

function secureCases(kind, library, connect) {
  let directory;
  let files;
  let server;

  before(async () => {
    directory = await temporaryDirectory();
    files = await makeCertificates(directory);
    server = await kind.start(files, join(directory, "users.json"));
    await server.setPassword("jane", "janes-secret");
  });
  after(async () => {
    await server.stop();
    for (const secret of ["changeit", "janes-secret", "pbkdf2", Buffer.from("admin:changeit").toString("base64")]) {
      assert.ok(!server.log().includes(secret), "the log tells a secret");
    }
    await deleteDirectory(directory);
  });
  const clients = [];
  const { jsonEvent, AccessDeniedError } = library;
  const event = () => jsonEvent({ type: "Tested", data: { n: 1 } });
  const port = () => server.address.split(":").at(-1);
  const fresh = () => `order-${randomUUID()}`;
  const open = (user = "", options = "") => {
    const credentials = user && `${user}@`;
    const client = connect(`${credentials}localhost:${port()}?tls=true&tlsCAFile=${files.ca}${options}`);
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
    const client = connect(`admin:changeit@localhost:${port()},127.0.0.1:${port()}?tlsCAFile=${files.ca}`);
    clients.push(client);
    assert.equal((await client.appendToStream(fresh(), event())).success, true);
  });

  test("takes the credentials of a call, which come before those of the connection", async () => {
    const client = jane();
    const credentials = { username: "admin", password: "changeit" };
    await client.appendToStream(fresh(), event());
    await denied(collect(client.readAll({ maxCount: 1 })));
    assert.equal((await collect(client.readAll({ maxCount: 1, credentials }))).length, 1);
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

  const limited = { readRoles: ["jane"], writeRoles: ["$admins"], deleteRoles: ["$admins"] };

  if (kind.holdsMetadata) {
    test("the rights in a stream's metadata are enforced", async () => {
      const stream = fresh();
      await admin().appendToStream(stream, event());
      await admin().setStreamMetadata(stream, { acl: limited });
      const client = jane();
      assert.equal((await collect(client.readStream(stream))).length, 1);
      await denied(client.appendToStream(stream, event()));
      await denied(client.deleteStream(stream));
      assert.equal((await admin().appendToStream(stream, event())).nextExpectedRevision, 1n);
    });

    test("a subscription ends when the right to read is taken away", async () => {
      const stream = fresh();
      const administrator = admin();
      await administrator.setStreamMetadata(stream, { acl: { readRoles: ["jane"] } });
      await administrator.appendToStream(stream, event());
      const subscription = jane().subscribeToStream(stream, { fromRevision: "start" });
      const patience = Date.now() + 60_000;
      const consume = async () => {
        for await (const { event: found } of subscription) {
          if (found.revision === 0n) await administrator.setStreamMetadata(stream, { acl: { readRoles: ["$admins"] } });
          await administrator.appendToStream(stream, event());
          if (Date.now() > patience) throw new Error("the subscription goes on");
        }
      };
      await denied(consume());
    });

    test("an administrator writes and reads system streams", async () => {
      const stream = `$system-${randomUUID()}`;
      await admin().appendToStream(stream, event());
      assert.equal((await collect(admin().readStream(stream))).length, 1);
      await denied(collect(jane().readStream(stream)));
    });
  } else {
    test("rights that the stores cannot hold are refused, and those of every stream stay", async () => {
      const stream = fresh();
      await admin().appendToStream(stream, event());
      const impossible = (promise) => assert.rejects(promise, /PostgreSQL has no place for metadata/);
      await impossible(admin().setStreamMetadata(stream, { acl: limited }));
      await impossible(admin().appendToStream(`$system-${randomUUID()}`, event()));
      await jane().appendToStream(stream, event());
    });
  }

  test("users are made, changed, disabled and deleted by an administrator's call", async () => {
    const users = await usersOf(server.address, files.ca, "admin:changeit");
    const stream = fresh();
    await users.create("john", "first");
    await open("john:first").appendToStream(stream, event());
    assert.deepEqual((await users.details("john")).groups, []);
    await users.update("john", ["$admins"]);
    await collect(open("john:first").readAll({ maxCount: 1 }));
    await users.resetPassword("john", "second");
    await denied(open("john:first").appendToStream(stream, event()));
    await open("john:second").appendToStream(stream, event());
    await users.disable("john");
    await denied(open("john:second").appendToStream(stream, event()));
    await users.enable("john");
    await open("john:second").appendToStream(stream, event());
    await users.remove("john");
    await denied(open("john:second").appendToStream(stream, event()));
    await assert.rejects(users.details("john"), ({ metadata }) => metadata.get("exception")[0] === "user-not-found");
    users.close();
  });

  test("a user may not make users, but change the own password", async () => {
    await server.setPassword("jim", "first", "--groups", "staff");
    const users = await usersOf(server.address, files.ca, "jim:first");
    await assert.rejects(users.create("other", "secret"), ({ metadata }) => metadata.get("exception")[0] === "access-denied");
    assert.deepEqual((await users.details("jim")).groups, ["staff"]);
    await users.changePassword("jim", "first", "second");
    users.close();
    await denied(open("jim:first").appendToStream(fresh(), event()));
    await open("jim:second").appendToStream(fresh(), event());
  });

  test("does not trust a server of another authority", async () => {
    const client = connect(`admin:changeit@localhost:${port()}?tls=true&defaultDeadline=2000`);
    clients.push(client);
    await assert.rejects(client.appendToStream(fresh(), event()));
  });

  if (kind.decidedElsewhere) {
    test("a user whose rights cannot be read is not said to be without them", async () => {
      const client = jane();
      await client.appendToStream(fresh(), event());
      await server.loseEventStore();
      const fails = (promise) => assert.rejects(promise, (error) => !(error instanceof AccessDeniedError));
      await fails(client.appendToStream(fresh(), event()));
      await fails(collect(client.readStream(fresh())));
    });
  }
}
