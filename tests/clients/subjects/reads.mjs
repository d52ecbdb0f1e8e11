// Reading streams.
import assert from "node:assert/strict";
import { test } from "node:test";

import { text } from "../context.mjs";

export function reads(t) {
  const { library, dialect, append, fresh, number, numbers, read, refusal } = t;
  const { BACKWARDS, END, FORWARDS, START, binaryEvent } = library;

  test("a stream is read in both directions, from anywhere, up to a number", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1, 2, 3, 4));
    assert.deepEqual((await read(stream, { fromRevision: START, direction: FORWARDS })).map(text), [0, 1, 2, 3, 4]);
    assert.deepEqual((await read(stream, { fromRevision: END, direction: BACKWARDS })).map(text), [4, 3, 2, 1, 0]);
    assert.deepEqual((await read(stream, { fromRevision: 2n, maxCount: 2 })).map(text), [2, 3]);
    const backwards = { fromRevision: 2n, direction: BACKWARDS, maxCount: 2 };
    assert.deepEqual((await read(stream, backwards)).map(text), [2, 1]);
  });

  test("a stream that does not exist is not found", async () => {
    const error = await refusal(read(fresh()));
    assert.ok(error instanceof library.StreamNotFoundError, String(error));
  });

  test("a link is resolved to its target", async () => {
    const stream = fresh();
    const links = fresh("links");
    await append(stream, numbers(0, 1));
    await append(links, binaryEvent({ type: "$>", data: Buffer.from(`1@${stream}`) }));
    const found = [];
    for await (const resolved of t.client.readStream(links, { resolveLinkTos: true })) found.push(resolved);
    assert.equal(found.length, 1);
    assert.equal(found[0].event.streamId, stream);
    assert.deepEqual(found[0].event.data, { n: 1 });
    assert.equal(found[0].link.streamId, links);
  });

  test("a read beyond the end is empty", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1));
    assert.deepEqual(await read(stream, { fromRevision: 2n }), []);
    assert.deepEqual(await read(stream, { fromRevision: 1000n }), []);
  });

  test("a read asks for fewer, as many and more events than there are", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1, 2));
    for (const maxCount of [1, 3, 10]) {
      const expected = [0, 1, 2].slice(0, maxCount);
      assert.deepEqual((await read(stream, { maxCount })).map(text), expected);
      const backwards = { maxCount, direction: BACKWARDS, fromRevision: END };
      assert.deepEqual((await read(stream, backwards)).map(text), [2, 1, 0].slice(0, maxCount));
    }
  });

  test("a read backwards from a revision beyond the end begins at the head", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1));
    assert.deepEqual((await read(stream, { direction: BACKWARDS, fromRevision: 100n })).map(text), [1, 0]);
  });

  test("a read backwards from the start gives the first event", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1));
    const expected = dialect.edgeDecidesDirection ? [0, 1] : [0];
    assert.deepEqual((await read(stream, { direction: BACKWARDS, fromRevision: START })).map(text), expected);
  });

  test("a long stream is read to its end in both directions", async () => {
    const stream = fresh();
    const all = [...Array(1_300).keys()];
    for (let from = 0; from < all.length; from += 100) await append(stream, numbers(...all.slice(from, from + 100)));
    assert.deepEqual((await read(stream)).map(text), all);
    const backwards = await read(stream, { direction: BACKWARDS, fromRevision: END });
    assert.deepEqual(backwards.map(text), [...all].reverse());
    assert.deepEqual((await read(stream, { fromRevision: 600n })).map(text), all.slice(600));
  });

  test("a stream is paged by the revision of the last event", async () => {
    const stream = fresh();
    await append(stream, numbers(...Array(10).keys()));
    const found = [];
    for (let fromRevision = 0n; ; ) {
      const page = await read(stream, { fromRevision, maxCount: 3 });
      if (page.length === 0) break;
      found.push(...page.map(text));
      fromRevision = page.at(-1).revision + 1n;
    }
    assert.deepEqual(found, [...Array(10).keys()]);
  });

  test("a reader that stops early leaves the client usable", async () => {
    const stream = fresh();
    await append(stream, numbers(...Array(600).keys()));
    for await (const { event } of t.client.readStream(stream)) {
      if (text(event) === 3) break;
    }
    assert.equal((await read(stream, { maxCount: 2 })).length, 2);
  });

  test("many reads at once are all answered", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1, 2));
    const found = await Promise.all(Array.from({ length: 100 }, () => read(stream)));
    assert.ok(found.every((events) => events.length === 3));
  });

  test("what was acknowledged is read at once", async () => {
    const stream = fresh();
    for (let i = 0; i < 20; i += 1) {
      await append(stream, number(i));
      const [last] = await read(stream, { direction: BACKWARDS, fromRevision: END, maxCount: 1 });
      assert.equal(text(last), i);
    }
  });

  test("a link stays a link unless it is to be resolved", async () => {
    const stream = fresh();
    const links = fresh("links");
    await append(stream, numbers(7));
    await append(links, binaryEvent({ type: "$>", data: Buffer.from(`0@${stream}`) }));
    const [plain] = await t.resolved(t.client.readStream(links));
    assert.equal((plain.event ?? plain.link).type, "$>");
    assert.equal(plain.event?.streamId ?? plain.link.streamId, links);
  });

  test("a link to nothing comes without its event", async () => {
    const links = fresh("links");
    await append(links, binaryEvent({ type: "$>", data: Buffer.from(`5@${fresh()}`) }));
    const [found] = await t.resolved(t.client.readStream(links, { resolveLinkTos: true }));
    assert.equal(found.event, undefined);
    assert.equal(found.link.streamId, links);
  });
}
