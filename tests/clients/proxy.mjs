// The proxy's gRPC door: `twinstream serve` over a PostgreSQL of its own and a sink, in the phase that is asked for.
import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { binary, deleteDirectory, freePort, must, root, run, startServer, temporaryDirectory } from "./process.mjs";
import { startSink } from "./sink.mjs";

const privatePostgres = join(root, "deploy/private-postgres.sh");

const configuration = ({ admin, grpc, postgres, eventstore, category }) => `
listen: {address: "127.0.0.1:0"}
admin: {address: "127.0.0.1:${admin}"}
grpc: ${JSON.stringify(grpc)}
postgres: {url: "${postgres}"}
eventstore: {url: "${eventstore}"}
categories:
  "*": ${JSON.stringify(category)}
`;

async function waitForStatus(admin, condition) {
  for (;;) {
    const status = await fetch(`http://127.0.0.1:${admin}/status`).then((answer) => answer.json());
    if (condition(status)) return;
    await pause(20);
  }
}

const inPhase = (wanted) => ({ categories }) => categories.every(({ phase }) => phase === wanted);

/// `category` is the entry for all streams, `security` what the section `grpc` says besides its address.
export async function startProxy(category, security = {}) {
  const directory = await temporaryDirectory();
  await chmod(directory, 0o755); // PostgreSQL runs as another user when this is root
  const cluster = join(directory, "postgres");
  const postgres = await must(privatePostgres, ["start", cluster]);
  const sink = await startSink(join(directory, "sink"));
  const admin = await freePort();
  const grpc = { listen: `127.0.0.1:${await freePort()}`, ...security };
  const file = join(directory, "twinstream.yaml");
  await writeFile(file, configuration({ admin, grpc, postgres, eventstore: sink.url, category }), { mode: 0o600 });
  await must(binary, ["init", "--config", file]);

  const startServe = () => startServer(["serve", "--config", file], /gRPC on (\S+)/);
  let serve = await startServe();
  await waitForStatus(admin, inPhase(category.phase));
  return {
    file,
    pid: serve.pid,
    log: serve.log,
    address: serve.match[1],
    url: `esdb://${serve.match[1]}?tls=false`,
    /// For good.
    loseEventStore: sink.kill,
    async restart() {
      await serve.kill();
      serve = await startServe();
    },
    /// Both stores have the same events and the same deletions.
    async verify() {
      await waitForStatus(admin, ({ mirror }) => mirror.caught_up);
      const { status, output } = await run(binary, ["check", "--config", file]);
      assert.equal(status, 0, output);
    },
    async stop() {
      const status = await serve.stop();
      await sink.stop();
      await must(privatePostgres, ["stop", cluster]);
      await deleteDirectory(directory);
      if (status !== 0) throw new Error(`serve ended with ${status}`);
    },
  };
}

/// As one of the servers that the suite runs against.
const proxyIn = (phase, ordersDeletions) => ({
  name: `gRPC door of the proxy in ${phase}`,
  holdsMetadata: false, // PostgreSQL has no place for it
  showsParked: false, // its groups live in streams of their own in EventStore
  checksStreams: phase !== "retire", // the EventStore client of the proxy takes none
  ordersDeletions, // whether the store that decides has a position for a deletion
  start: () => startProxy({ phase }),
});

/// PostgreSQL decides.
export const proxyInDualWrite = proxyIn("dual-write", false);
/// EventStore decides, and PostgreSQL follows.
export const proxyInRetire = proxyIn("retire", true);
