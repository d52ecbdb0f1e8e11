// A sink that is killed while a client appends has kept every append that it answered, and no half of one.
import assert from "node:assert/strict";
import { test } from "node:test";

import library from "@eventstore/db-client";

import { deleteDirectory, startSink, temporaryDirectory } from "./sink.mjs";

const { EventStoreDBClient, jsonEvent } = library;
const eventsPerAppend = 3;

/// Every number that stands in the log, with how often.
async function countNumbers(client) {
  const counts = new Map();
  for await (const { event } of client.readAll()) counts.set(event.data.n, (counts.get(event.data.n) ?? 0) + 1);
  return counts;
}

test("every answered append survives kill -9 and none is there by half", async () => {
  const directory = await temporaryDirectory();
  const sink = await startSink(directory);
  const client = EventStoreDBClient.connectionString(sink.url);
  const answered = [];
  let next = 0;
  let killed;
  const append = async (writer) => {
    for (;;) {
      const n = next++;
      const events = Array.from({ length: eventsPerAppend }, () => jsonEvent({ type: "Numbered", data: { n } }));
      await client.appendToStream(`order-${writer}`, events);
      answered.push(n);
      if (answered.length === 500) killed = sink.kill();
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: 16 }, (_, writer) => append(writer)));
  assert.ok(ends.every((end) => end.status === "rejected"));
  assert.equal(await killed, "SIGKILL");
  await client.dispose();

  const restarted = await startSink(directory);
  const reader = EventStoreDBClient.connectionString(restarted.url);
  const counts = await countNumbers(reader);
  assert.deepEqual(answered.filter((n) => !counts.has(n)), [], "appends that were answered and lost");
  assert.deepEqual([...counts].filter(([, count]) => count !== eventsPerAppend), [], "appends that are not whole");
  await reader.dispose();
  assert.equal(await restarted.stop(), 0);
  await deleteDirectory(directory);
});
