// Reading $all.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { text } from "../context.mjs";

export function wholeLog(t) {
  const { library, dialect, append, collect, fresh, number, numbers, read } = t;
  const { BACKWARDS, END, FORWARDS, START, binaryEvent, jsonEvent } = library;

  test("the whole log is read in both directions", async () => {
    const stream = fresh();
    const first = await append(stream, numbers(0));
    await append(stream, numbers(1, 2));
    const own = (events) => events.filter((event) => event.streamId === stream).map(text);
    const onwards = { fromPosition: first.position, direction: FORWARDS };
    const fromEnd = { fromPosition: END, direction: BACKWARDS, maxCount: 3 };
    assert.deepEqual(own(await collect(t.client.readAll(onwards))), [0, 1, 2]);
    assert.deepEqual(own(await collect(t.client.readAll(fromEnd))), [2, 1, 0]);
    assert.ok((await collect(t.client.readAll({ maxCount: 2 }))).length === 2);
  });

  test("every event of the log has a position that resumes after it", async () => {
    const stream = fresh();
    const { position } = await append(stream, number(0));
    await append(stream, numbers(1, 2, 3));
    const events = await t.resolved(t.client.readAll({ fromPosition: position }));
    const own = events.filter(({ event }) => event.streamId === stream);
    assert.deepEqual(own.map(({ event }) => text(event)), [0, 1, 2, 3]);
    for (const [index, { event }] of own.entries()) {
      const from = await t.readAll({ fromPosition: event.position, maxCount: 1 });
      assert.equal(from[0].id, own[index].event.id, "a read from a position begins with its event");
    }
  });

  test("positions rise forwards and fall backwards", async () => {
    await append(fresh(), numbers(0, 1, 2));
    const forwards = (await t.readAll({ maxCount: 50 })).map((event) => event.position.commit);
    const backwards = (await t.readAll({ maxCount: 50, direction: BACKWARDS, fromPosition: END })).map(
      (event) => event.position.commit,
    );
    const ascending = (left, right) => (left < right ? -1 : left > right ? 1 : 0);
    assert.deepEqual(forwards, [...forwards].sort(ascending));
    assert.deepEqual(backwards, [...backwards].sort(ascending).reverse());
  });

  test("the log is paged backwards by position", async () => {
    const stream = fresh();
    await append(stream, numbers(...Array(7).keys()));
    const found = [];
    for (let fromPosition = END; found.length < 7; ) {
      const page = await t.readAll({ fromPosition, direction: BACKWARDS, maxCount: 3 });
      found.push(...page.filter((event) => event.streamId === stream).map(text));
      fromPosition = page.at(-1).position;
    }
    assert.deepEqual(found.slice(0, 7), [6, 5, 4, 3, 2, 1, 0]);
  });

  test("there is nothing after the end and before the start", async () => {
    const { position } = await append(fresh(), number(0));
    const last = await t.readAll({ fromPosition: position });
    assert.equal(last.length, 1);
    if (dialect.edgeDecidesDirection) return;
    assert.deepEqual(await t.readAll({ fromPosition: END }), []);
    assert.deepEqual(await t.readAll({ fromPosition: START, direction: BACKWARDS }), []);
  });

  test("the position of a stream's event reads the log from there", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1));
    const [, second] = await read(stream);
    if (second.position === undefined) return; // this client does not tell positions of stream reads
    const [found] = await t.readAll({ fromPosition: second.position, maxCount: 1 });
    assert.equal(found.id, second.id);
  });

  test("the log has every stream's events in the order of their revisions", async () => {
    const streams = [fresh(), fresh(), fresh()];
    const { position } = await append(streams[0], number(0));
    await Promise.all(streams.map(async (stream, i) => {
      for (let n = i === 0 ? 1 : 0; n < 10; n += 1) await append(stream, number(n));
    }));
    const events = await t.readAll({ fromPosition: position });
    for (const stream of streams) {
      const own = events.filter((event) => event.streamId === stream).map((event) => Number(event.revision));
      assert.deepEqual(own, [...Array(10).keys()]);
    }
  });

  test("deleted events stay in the log", async () => {
    const stream = fresh();
    const { position } = await append(stream, numbers(0, 1));
    await t.client.deleteStream(stream);
    const own = (await t.readAll({ fromPosition: position })).filter((event) => event.streamId === stream);
    assert.deepEqual(own.map(text), [1]);
  });

  test("links are resolved in the log", async () => {
    const stream = fresh();
    const links = fresh("links");
    await append(stream, numbers(7));
    const { position } = await append(links, binaryEvent({ type: "$>", data: Buffer.from(`0@${stream}`) }));
    const options = { fromPosition: position, maxCount: 1, resolveLinkTos: true };
    const [found] = await t.resolved(t.client.readAll(options));
    assert.equal(found.event.streamId, stream);
    assert.equal(found.link.streamId, links);
  });

  if (dialect.filtersReads) {
    test("a read of the log is filtered by stream prefix", async () => {
      const category = `c${randomUUID().slice(0, 8)}`;
      for (let i = 0; i < 6; i += 1) await append(fresh(i % 2 === 0 ? category : "other"), number(i));
      const filter = library.streamNameFilter({ prefixes: [`${category}-`] });
      assert.deepEqual((await t.readAll({ filter })).map(text), [0, 2, 4]);
      const backwards = { filter, direction: BACKWARDS, fromPosition: END, maxCount: 2 };
      assert.deepEqual((await t.readAll(backwards)).map(text), [4, 2]);
    });

    test("a read of the log is filtered by event type", async () => {
      const type = `Special${randomUUID().slice(0, 8)}`;
      await append(fresh(), [number(0), jsonEvent({ type, data: { n: 1 } }), jsonEvent({ type, data: { n: 2 } })]);
      const byPrefix = library.eventTypeFilter({ prefixes: [type.slice(0, 12)] });
      const byExpression = library.eventTypeFilter({ regex: `^${type}$` });
      assert.deepEqual((await t.readAll({ filter: byPrefix })).map(text), [1, 2]);
      assert.deepEqual((await t.readAll({ filter: byExpression })).map(text), [1, 2]);
    });
  }
}
