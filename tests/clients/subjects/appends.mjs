// Appends of every kind, by BatchAppend and by Append.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { text } from "../context.mjs";

export function appends(t) {
  const { library, dialect, append, fresh, number, numbers, read, refusal } = t;
  const { ANY, NO_STREAM, STREAM_EXISTS, binaryEvent, jsonEvent } = library;

  test("an appended event comes back as it was", async () => {
    const stream = fresh();
    const event = number(7);
    const result = await append(stream, event, NO_STREAM);
    assert.equal(result.success, true);
    assert.equal(result.nextExpectedRevision, 0n);
    assert.ok(result.position.commit > 0n);
    const [found] = await read(stream);
    assert.equal(found.id, event.id);
    assert.equal(found.streamId, stream);
    assert.equal(found.type, "Numbered");
    assert.equal(found.revision, 0n);
    assert.equal(found.isJson, true);
    assert.deepEqual(found.data, { n: 7 });
    assert.deepEqual(found.metadata, { by: "test" });
    assert.ok(Math.abs(Date.now() - found.created.getTime()) < 600_000);
  });

  test("binary data keeps its bytes", async () => {
    const stream = fresh();
    const data = Uint8Array.from([0, 255, 1, 128]);
    await append(stream, binaryEvent({ type: "Raw", data, metadata: Uint8Array.from([9]) }));
    const [found] = await read(stream);
    assert.equal(found.isJson, false);
    assert.deepEqual([...found.data], [...data]);
    assert.deepEqual([...found.metadata], [9]);
  });

  test("every expectation that fits is accepted", async () => {
    const stream = fresh();
    assert.equal((await append(stream, numbers(0), NO_STREAM)).nextExpectedRevision, 0n);
    assert.equal((await append(stream, numbers(1), STREAM_EXISTS)).nextExpectedRevision, 1n);
    assert.equal((await append(stream, numbers(2), 1n)).nextExpectedRevision, 2n);
    assert.equal((await append(stream, numbers(3), ANY)).nextExpectedRevision, 3n);
    assert.equal((await append(stream, numbers(4, 5, 6))).nextExpectedRevision, 6n);
  });

  test("a wrong expectation is refused with both versions", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1));
    const error = await refusal(append(stream, numbers(2), 5n));
    assert.ok(error instanceof library.WrongExpectedVersionError, String(error));
    assert.deepEqual(dialect.versions(error), [5n, 1n]);
    const second = await refusal(append(stream, numbers(2), NO_STREAM));
    assert.deepEqual(dialect.versions(second), [NO_STREAM, 1n]);
    const third = await refusal(append(fresh(), numbers(2), STREAM_EXISTS));
    assert.deepEqual(dialect.versions(third), [STREAM_EXISTS, NO_STREAM]);
    assert.equal((await read(stream)).length, 2);
  });

  test("a call with its own credentials, which goes by Append instead of BatchAppend, works alike", async () => {
    const stream = fresh();
    const credentials = { username: "admin", password: "changeit" };
    const options = { ...dialect.expecting(NO_STREAM), credentials };
    const result = await t.client.appendToStream(stream, numbers(0, 1), options);
    assert.equal(result.nextExpectedRevision, 1n);
    const error = await refusal(t.client.appendToStream(stream, numbers(2), options));
    assert.deepEqual(dialect.versions(error), [NO_STREAM, 1n]);
    assert.deepEqual((await read(stream)).map(text), [0, 1]);
  });

  test("a repeated append answers the same and writes nothing", async () => {
    for (const expected of [ANY, NO_STREAM, STREAM_EXISTS]) {
      const stream = fresh();
      if (expected === STREAM_EXISTS) await append(stream, numbers(0));
      const events = numbers(1, 2);
      const first = await append(stream, events, expected);
      const again = await append(stream, events, expected);
      assert.equal(again.nextExpectedRevision, first.nextExpectedRevision);
      assert.deepEqual(again.position, first.position);
      assert.equal((await read(stream)).length, Number(first.nextExpectedRevision) + 1);
    }
  });

  test("an append of many chunks is one write", async () => {
    const stream = fresh();
    const options = { ...dialect.expecting(NO_STREAM), batchAppendSize: 1024 };
    const events = numbers(...Array(500).keys());
    const result = await t.client.appendToStream(stream, events, options);
    assert.equal(result.nextExpectedRevision, 499n);
    assert.deepEqual((await read(stream)).map(text), [...Array(500).keys()]);
  });

  test("many appends at once are all answered", async () => {
    const streams = Array.from({ length: 200 }, () => fresh());
    const results = await Promise.all(streams.map((stream, i) => append(stream, numbers(i), NO_STREAM)));
    assert.ok(results.every((result) => result.success && result.nextExpectedRevision === 0n));
    assert.deepEqual((await read(streams[123])).map(text), [123]);
  });

  test("an append that is too large is refused with the limit", async () => {
    const large = jsonEvent({ type: "Large", data: { text: "x".repeat(2 * 1024 * 1024) } });
    const error = await refusal(append(fresh(), large));
    assert.ok(error instanceof library.MaxAppendSizeExceededError, String(error));
    assert.equal(error.maxAppendSize, 1024 * 1024);
  });

  test("events of an append keep their order among appends that run at once", async () => {
    const stream = fresh();
    const groups = Array.from({ length: 20 }, (_, i) => numbers(3 * i, 3 * i + 1, 3 * i + 2));
    await Promise.all(groups.map((events) => append(stream, events)));
    const found = (await read(stream)).map(text);
    assert.equal(found.length, 60);
    for (let i = 0; i < 60; i += 3) assert.deepEqual(found.slice(i, i + 3), [found[i], found[i] + 1, found[i] + 2]);
  });

  test("of two appends with the same expectation one is refused", async () => {
    const stream = fresh();
    const ends = await Promise.allSettled([append(stream, number(1), NO_STREAM), append(stream, number(2), NO_STREAM)]);
    assert.deepEqual(ends.map((end) => end.status).sort(), ["fulfilled", "rejected"]);
    const { reason } = ends.find((end) => end.status === "rejected");
    assert.ok(reason instanceof library.WrongExpectedVersionError, String(reason));
    assert.equal((await read(stream)).length, 1);
  });

  test("a refused append can be answered instead of thrown", async () => {
    const stream = fresh();
    await append(stream, number(0));
    const client = dialect.connect(`${t.server.url}&throwOnAppendFailure=false`);
    for (const credentials of [undefined, { username: "admin", password: "changeit" }]) {
      const options = { ...dialect.expecting(NO_STREAM), credentials };
      assert.equal((await client.appendToStream(stream, number(1), options)).success, false);
    }
    await client.dispose();
    assert.equal((await read(stream)).length, 1);
  });

  test("streams may have any name", async () => {
    for (const name of ["with space", "with/slash", "with@at", "with:colon", "ünïcödé", "漢字", "-", "a-b-c-d"]) {
      const stream = `${name}-${randomUUID()}`;
      assert.equal((await append(stream, number(1), NO_STREAM)).nextExpectedRevision, 0n);
      const [found] = await read(stream);
      assert.equal(found.streamId, stream);
    }
  });

  test("types, data and metadata keep their text", async () => {
    const stream = fresh();
    const data = { text: 'quotes " and \\ and \u0001 and 😀', nested: { list: [1, 2.5, null, true] }, empty: {} };
    await append(stream, jsonEvent({ type: "Type.with-dots:and ünïcödé", data, metadata: { $correlationId: "x" } }));
    const [found] = await read(stream);
    assert.equal(found.type, "Type.with-dots:and ünïcödé");
    assert.deepEqual(found.data, data);
    assert.deepEqual(found.metadata, { $correlationId: "x" });
  });

  test("an event without metadata comes back without", async () => {
    const stream = fresh();
    await append(stream, jsonEvent({ type: "Bare", data: { n: 1 } }));
    const [found] = await read(stream);
    assert.ok(found.metadata === undefined || found.metadata === null || Object.keys(found.metadata).length === 0);
  });

  test("events of one append may have different types and contents", async () => {
    const stream = fresh();
    const raw = binaryEvent({ type: "Raw", data: Uint8Array.from([1, 2, 3]) });
    await append(stream, [number(1), raw, jsonEvent({ type: "Other", data: [1, "two"] })]);
    const found = await read(stream);
    assert.deepEqual(found.map((event) => event.type), ["Numbered", "Raw", "Other"]);
    assert.deepEqual(found.map((event) => event.isJson), [true, false, true]);
    assert.deepEqual(found.map((event) => event.revision), [0n, 1n, 2n]);
  });

  test("a repetition by its ids is told from a conflict", async () => {
    const stream = fresh();
    const first = numbers(1, 2);
    await append(stream, first, NO_STREAM);
    await append(stream, numbers(3), 1n);
    assert.equal((await append(stream, first, NO_STREAM)).nextExpectedRevision, 1n);
    const error = await refusal(append(stream, numbers(1, 2), NO_STREAM));
    assert.deepEqual(dialect.versions(error), [NO_STREAM, 2n]);
    assert.deepEqual((await read(stream)).map(text), [1, 2, 3]);
  });

  test("positions of appends rise", async () => {
    const positions = [];
    for (let i = 0; i < 5; i += 1) positions.push((await append(fresh(), number(i))).position.commit);
    assert.deepEqual(positions, [...positions].sort((left, right) => (left < right ? -1 : 1)));
    assert.equal(new Set(positions).size, 5);
  });

  test("an append of half a megabyte comes back whole", async () => {
    const stream = fresh();
    const data = { text: "x".repeat(512 * 1024) };
    await append(stream, jsonEvent({ type: "Large", data }));
    const [found] = await read(stream);
    assert.equal(found.data.text.length, data.text.length);
  });
}
