// Catch-up subscriptions to streams and to $all.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { text } from "../context.mjs";

export function subscriptions(t) {
  const { library, append, fresh, number, numbers, take } = t;
  const { END, NO_STREAM, START, binaryEvent, jsonEvent } = library;

  test("a subscription to a stream catches up, then is live", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1, 2));
    const subscription = t.client.subscribeToStream(stream, { fromRevision: 0n });
    const found = await take(subscription, 4, () => {
      subscription.once("caughtUp", () => append(stream, numbers(3, 4)));
    });
    assert.deepEqual(found.map(text), [1, 2, 3, 4]);
  });

  test("a subscription to a stream that does not exist yet waits for it", async () => {
    const stream = fresh();
    const subscription = t.client.subscribeToStream(stream, { fromRevision: START });
    const found = await take(subscription, 1, () => {
      subscription.once("confirmation", () => append(stream, numbers(0)));
    });
    assert.deepEqual(found.map(text), [0]);
  });

  test("a subscription from the end gets new events only", async () => {
    const stream = fresh();
    await append(stream, numbers(0));
    const subscription = t.client.subscribeToStream(stream, { fromRevision: END });
    const found = await take(subscription, 1, () => {
      subscription.once("confirmation", () => append(stream, numbers(1)));
    });
    assert.deepEqual(found.map(text), [1]);
  });

  test("a subscription to the whole log resumes after a position", async () => {
    const stream = fresh();
    const first = await append(stream, numbers(0));
    const subscription = t.client.subscribeToAll({ fromPosition: first.position });
    const found = await take(subscription, 2, () => {
      subscription.once("confirmation", () => append(stream, numbers(1, 2)));
    });
    assert.deepEqual(found.map(text), [1, 2]);
  });

  test("a filter by stream prefix chooses events and gives checkpoints", async () => {
    const category = `c${randomUUID().slice(0, 8)}`;
    for (let i = 0; i < 12; i += 1) await append(fresh(i % 3 === 0 ? category : "other"), numbers(i));
    const checkpoints = [];
    const filter = library.streamNameFilter({
      prefixes: [`${category}-`],
      maxSearchWindow: 4,
      checkpointInterval: 1,
      checkpointReached: (_, position) => checkpoints.push(position),
    });
    const found = await take(t.client.subscribeToAll({ fromPosition: START, filter }), 4);
    assert.deepEqual(found.map(text), [0, 3, 6, 9]);
    assert.ok(checkpoints.length > 0);
  });

  test("a filter by event type expression leaves out what does not match", async () => {
    const stream = fresh();
    const start = await append(stream, numbers(0));
    const type = `Special${randomUUID().slice(0, 8)}`;
    const filter = library.eventTypeFilter({ regex: `^${type}$` });
    await append(stream, [number(1), jsonEvent({ type, data: { n: 2 } }), number(3)]);
    const found = await take(t.client.subscribeToAll({ fromPosition: start.position, filter }), 1);
    assert.deepEqual(found.map(text), [2]);
  });

  test("a subscription is confirmed, catches up, and says so", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1));
    const told = [];
    const subscription = t.client.subscribeToStream(stream, { fromRevision: START });
    subscription.on("confirmation", () => told.push("confirmed"));
    subscription.on("caughtUp", () => {
      told.push("caught up");
      append(stream, number(2));
    });
    assert.deepEqual((await take(subscription, 3)).map(text), [0, 1, 2]);
    assert.deepEqual(told, ["confirmed", "caught up"]);
  });

  test("a subscriber gets thousands of events in order", async () => {
    const stream = fresh();
    const all = [...Array(2_500).keys()];
    for (let from = 0; from < all.length; from += 250) await append(stream, numbers(...all.slice(from, from + 250)));
    assert.deepEqual((await take(t.client.subscribeToStream(stream), all.length)).map(text), all);
  });

  test("events are told to all subscribers", async () => {
    const stream = fresh();
    const subscriptions = Array.from({ length: 20 }, () => t.client.subscribeToStream(stream, { fromRevision: START }));
    const confirmed = subscriptions.map((one) => new Promise((done) => one.once("confirmation", done)));
    const found = Promise.all(subscriptions.map((one) => take(one, 3)));
    await Promise.all(confirmed);
    for (const n of [0, 1, 2]) await append(stream, number(n));
    for (const events of await found) assert.deepEqual(events.map(text), [0, 1, 2]);
  });

  test("a subscription ends when it is told to", async () => {
    const stream = fresh();
    await append(stream, number(0));
    const subscription = t.client.subscribeToStream(stream);
    const ended = new Promise((done) => subscription.once("end", done));
    subscription.on("data", () => subscription.unsubscribe());
    await ended;
    assert.equal((await append(stream, number(1))).nextExpectedRevision, 1n);
  });

  test("a subscription resumes after the revision it has seen", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1, 2, 3));
    const [first, second] = await take(t.client.subscribeToStream(stream), 2);
    assert.deepEqual([first, second].map(text), [0, 1]);
    const later = await take(t.client.subscribeToStream(stream, { fromRevision: second.revision }), 2);
    assert.deepEqual(later.map(text), [2, 3]);
  });

  test("a subscription from beyond the end waits for what comes there", async () => {
    const stream = fresh();
    await append(stream, numbers(0));
    const subscription = t.client.subscribeToStream(stream, { fromRevision: 1n });
    const found = await take(subscription, 1, () => {
      subscription.once("confirmation", () => append(stream, numbers(1, 2)));
    });
    assert.deepEqual(found.map(text), [2]);
  });

  test("links are resolved for a subscriber", async () => {
    const stream = fresh();
    const links = fresh("links");
    await append(stream, numbers(7));
    await append(links, binaryEvent({ type: "$>", data: Buffer.from(`0@${stream}`) }));
    const [found] = await take(t.client.subscribeToStream(links, { resolveLinkTos: true }), 1);
    assert.equal(found.streamId, stream);
  });

  test("a stream that is deleted and written again goes on", async () => {
    const stream = fresh();
    await append(stream, numbers(0));
    const subscription = t.client.subscribeToStream(stream, { fromRevision: START });
    subscription.once("caughtUp", async () => {
      await t.client.deleteStream(stream);
      await append(stream, numbers(1), NO_STREAM);
    });
    const found = await take(subscription, 2);
    assert.deepEqual(found.map((event) => event.revision), [0n, 1n]);
  });

  test("a subscription to the whole log from the end gets new events only", async () => {
    const stream = fresh();
    await append(stream, numbers(0));
    const subscription = t.client.subscribeToAll({ fromPosition: END });
    const found = await take(subscription, 2, () => {
      subscription.once("confirmation", () => append(stream, numbers(1, 2)));
    });
    assert.deepEqual(found.map(text), [1, 2]);
  });

  test("a subscription to the whole log from the start gets everything", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1));
    const count = (await t.readAll()).length;
    const found = await take(t.client.subscribeToAll({ fromPosition: START }), count);
    assert.deepEqual(found.filter((event) => event.streamId === stream).map(text), [0, 1]);
  });

  test("the position of an event and of a checkpoint resume a subscription", async () => {
    const category = `c${randomUUID().slice(0, 8)}`;
    const stream = fresh(category);
    await append(stream, numbers(0, 1, 2, 3));
    let checkpoint;
    const filter = library.streamNameFilter({
      prefixes: [`${category}-`],
      maxSearchWindow: 1,
      checkpointReached: (_, position) => (checkpoint = position),
    });
    const found = await take(t.client.subscribeToAll({ fromPosition: START, filter }), 2);
    const plain = library.streamNameFilter({ prefixes: [`${category}-`] });
    const resume = (fromPosition, count) => take(t.client.subscribeToAll({ fromPosition, filter: plain }), count);
    assert.deepEqual((await resume(found[0].position, 3)).map(text), [1, 2, 3]);
    await append(stream, number(4));
    const afterCheckpoint = (await resume(checkpoint, 1)).map(text);
    assert.ok(afterCheckpoint[0] > 0, "a checkpoint lies after what was delivered before it");
  });

  test("a filter by stream name expression chooses events", async () => {
    const category = `c${randomUUID().slice(0, 8)}`;
    for (let i = 0; i < 4; i += 1) await append(`${category}-${i}`, number(i));
    const filter = library.streamNameFilter({ regex: `^${category}-[13]$` });
    const found = await take(t.client.subscribeToAll({ fromPosition: START, filter }), 2);
    assert.deepEqual(found.map(text), [1, 3]);
  });

  test("a filter by several event type prefixes chooses events, live too", async () => {
    const mark = randomUUID().slice(0, 8);
    const typed = (type, n) => jsonEvent({ type: `${type}${mark}`, data: { n } });
    await append(fresh(), [typed("Aa", 0), typed("Bb", 1), typed("Cc", 2)]);
    const filter = library.eventTypeFilter({ prefixes: [`Aa${mark}`, `Cc${mark}`] });
    const subscription = t.client.subscribeToAll({ fromPosition: START, filter });
    subscription.once("caughtUp", () => append(fresh(), [typed("Bb", 3), typed("Aa", 4)]));
    assert.deepEqual((await take(subscription, 3)).map(text), [0, 2, 4]);
  });
}
