// A server that goes away and comes back, and how it is found.
import assert from "node:assert/strict";
import { test } from "node:test";

import { text } from "../context.mjs";

export function reconnection(t) {
  const { library, dialect, append, fresh, number, numbers, read, refusal, take } = t;
  const { NO_STREAM } = library;

  test("the cluster is found by gossip", async () => {
    const discovering = dialect.connect(t.server.url.replace("://", "+discover://"));
    const stream = fresh();
    await discovering.appendToStream(stream, numbers(0));
    assert.deepEqual((await read(stream)).map(text), [0]);
    await discovering.dispose();
  });

  test("appends and reads go on after the server was killed and started again", async () => {
    const stream = fresh();
    await append(stream, number(0), NO_STREAM);
    assert.equal((await read(stream)).length, 1);
    await t.server.restart();
    const event = number(1);
    await t.eventually(() => append(stream, event, 0n));
    assert.deepEqual((await t.eventually(() => read(stream))).map(text), [0, 1]);
  });

  test("a subscription ends with its server and resumes from where it was", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1));
    const seen = [];
    const subscription = t.client.subscribeToStream(stream);
    const error = await refusal(
      (async () => {
        for await (const { event } of subscription) {
          seen.push(event);
          if (seen.length === 2) await t.server.restart();
        }
      })(),
    );
    assert.ok(error instanceof Error);
    const event = number(2);
    await t.eventually(() => append(stream, event, 1n));
    const resume = () => take(t.client.subscribeToStream(stream, { fromRevision: seen.at(-1).revision }), 1);
    assert.deepEqual((await t.eventually(resume)).map(text), [2]);
  });

  test("a position outlives its server", async () => {
    const stream = fresh();
    const { position } = await append(stream, number(0));
    await t.server.restart();
    const event = number(1);
    await t.eventually(() => append(stream, event, 0n));
    const resume = () => take(t.client.subscribeToAll({ fromPosition: position }), 1);
    assert.deepEqual((await t.eventually(resume)).map(text), [1]);
  });

  test("appends that were in the air when the server was killed are there once after a repetition", async () => {
    const streams = Array.from({ length: 50 }, () => fresh());
    const events = streams.map((_, n) => number(n));
    const first = Promise.allSettled(streams.map((stream, n) => append(stream, events[n], NO_STREAM)));
    await t.server.restart();
    await first;
    await t.eventually(() => Promise.all(streams.map((stream, n) => append(stream, events[n], NO_STREAM))));
    for (const [n, stream] of streams.entries()) {
      assert.deepEqual((await t.eventually(() => read(stream))).map(text), [n]);
    }
  });
}
