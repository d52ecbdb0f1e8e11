// Compares what an official client reads from EventStore with what PostgreSQL holds. Started by migration.py: EXPECTED
// names a file with the streams of PostgreSQL, EVENTSTORE is the connection string.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";

import { KurrentDBClient } from "@kurrent/kurrentdb-client";

const expected = new Map(Object.entries(JSON.parse(await readFile(process.env.EXPECTED, "utf8"))));
const client = KurrentDBClient.connectionString(process.env.EVENTSTORE);
after(() => client.dispose());

const seen = ({ event }) => ({ revision: Number(event.revision), id: event.id, type: event.type, data: event.data });
const stored = ({ revision, id, type, data }) => ({ revision, id, type, data });

test("every stream has the same events, ids, order and revisions", async () => {
  assert.ok(expected.size > 0);
  for (const [stream, events] of expected) {
    const found = [];
    for await (const resolved of client.readStream(stream)) found.push(seen(resolved));
    assert.deepEqual(found, events.map(stored), stream);
    assert.deepEqual(found.map((event) => event.revision), [...found.keys()], stream);
  }
});

test("$all has each event once, in the order of its stream, with the time at which it really happened", async () => {
  const next = new Map();
  for await (const { event } of client.readAll()) {
    if (!event || event.streamId.startsWith("$")) continue;
    const place = next.get(event.streamId) ?? 0;
    const original = expected.get(event.streamId)?.[place];
    assert.ok(original, `${event.streamId}@${event.revision} is in EventStore only`);
    assert.equal(event.id, original.id, event.streamId);
    const carried = event.metadata?.$originalCreated;
    if (carried) {
      assert.equal(carried, original.created, event.streamId);
    } else {
      // Written while EventStore decided: its own time, which this client gives in whole seconds.
      assert.equal(event.created.toISOString().slice(0, 19), original.created.slice(0, 19), event.streamId);
    }
    next.set(event.streamId, place + 1);
  }
  for (const [stream, events] of expected) assert.equal(next.get(stream), events.length, stream);
});
