// What both official clients must be able to do. They differ in a few names only, which `dialect` hides.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { deleteDirectory, startSink, temporaryDirectory } from "./sink.mjs";

const text = (event) => event.data.n;

export function clientSuite(name, library, dialect) {
  const { ANY, BACKWARDS, END, FORWARDS, NO_STREAM, START, STREAM_EXISTS, jsonEvent, binaryEvent } = library;
  const number = (n, id = randomUUID()) => jsonEvent({ id, type: "Numbered", data: { n }, metadata: { by: "test" } });
  const numbers = (...values) => values.map((n) => number(n));

  describe(name, () => {
    let directory;
    let sink;
    let client;
    const fresh = (category = "order") => `${category}-${randomUUID()}`;
    const append = (stream, events, expected) => client.appendToStream(stream, events, dialect.expecting(expected));
    const refusal = (promise) => promise.then(() => assert.fail("was not refused"), (error) => error);
    const collect = async (events) => {
      const found = [];
      for await (const resolved of events) found.push(resolved.event);
      return found;
    };
    const read = (stream, options = {}) => collect(client.readStream(stream, options));
    /// The next events of a subscription, closed afterwards.
    const take = async (subscription, count, onStart = () => {}) => {
      const found = [];
      onStart();
      for await (const resolved of subscription) {
        found.push(resolved.event);
        if (found.length === count) break;
      }
      await subscription.unsubscribe();
      return found;
    };

    before(async () => {
      directory = await temporaryDirectory();
      sink = await startSink(directory);
      client = dialect.connect(sink.url);
    });
    after(async () => {
      await client.dispose();
      assert.equal(await sink.stop(), 0);
      await deleteDirectory(directory);
    });

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
      const result = await client.appendToStream(stream, numbers(0, 1), options);
      assert.equal(result.nextExpectedRevision, 1n);
      const error = await refusal(client.appendToStream(stream, numbers(2), options));
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
      const result = await client.appendToStream(stream, events, options);
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

    test("the whole log is read in both directions", async () => {
      const stream = fresh();
      const first = await append(stream, numbers(0));
      await append(stream, numbers(1, 2));
      const own = (events) => events.filter((event) => event.streamId === stream).map(text);
      const onwards = { fromPosition: first.position, direction: FORWARDS };
      const fromEnd = { fromPosition: END, direction: BACKWARDS, maxCount: 3 };
      assert.deepEqual(own(await collect(client.readAll(onwards))), [0, 1, 2]);
      assert.deepEqual(own(await collect(client.readAll(fromEnd))), [2, 1, 0]);
      assert.ok((await collect(client.readAll({ maxCount: 2 }))).length === 2);
    });

    test("a subscription to a stream catches up, then is live", async () => {
      const stream = fresh();
      await append(stream, numbers(0, 1, 2));
      const subscription = client.subscribeToStream(stream, { fromRevision: 0n });
      const found = await take(subscription, 4, () => {
        subscription.once("caughtUp", () => append(stream, numbers(3, 4)));
      });
      assert.deepEqual(found.map(text), [1, 2, 3, 4]);
    });

    test("a subscription to a stream that does not exist yet waits for it", async () => {
      const stream = fresh();
      const subscription = client.subscribeToStream(stream, { fromRevision: START });
      const found = await take(subscription, 1, () => {
        subscription.once("confirmation", () => append(stream, numbers(0)));
      });
      assert.deepEqual(found.map(text), [0]);
    });

    test("a subscription from the end gets new events only", async () => {
      const stream = fresh();
      await append(stream, numbers(0));
      const subscription = client.subscribeToStream(stream, { fromRevision: END });
      const found = await take(subscription, 1, () => {
        subscription.once("confirmation", () => append(stream, numbers(1)));
      });
      assert.deepEqual(found.map(text), [1]);
    });

    test("a subscription to the whole log resumes after a position", async () => {
      const stream = fresh();
      const first = await append(stream, numbers(0));
      const subscription = client.subscribeToAll({ fromPosition: first.position });
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
      const found = await take(client.subscribeToAll({ fromPosition: START, filter }), 4);
      assert.deepEqual(found.map(text), [0, 3, 6, 9]);
      assert.ok(checkpoints.length > 0);
    });

    test("a filter by event type expression leaves out what does not match", async () => {
      const stream = fresh();
      const start = await append(stream, numbers(0));
      const type = `Special${randomUUID().slice(0, 8)}`;
      const filter = library.eventTypeFilter({ regex: `^${type}$` });
      await append(stream, [number(1), jsonEvent({ type, data: { n: 2 } }), number(3)]);
      const found = await take(client.subscribeToAll({ fromPosition: start.position, filter }), 1);
      assert.deepEqual(found.map(text), [2]);
    });

    test("system events can be left out", async () => {
      const stream = fresh();
      const start = await append(stream, numbers(0));
      await client.setStreamMetadata(stream, { owner: "x" });
      await append(stream, numbers(1));
      const options = { fromPosition: start.position, filter: library.excludeSystemEvents() };
      assert.deepEqual((await take(client.subscribeToAll(options), 1)).map(text), [1]);
    });

    test("metadata is written and read, and truncates", async () => {
      const stream = fresh();
      await append(stream, numbers(0, 1, 2, 3));
      await client.setStreamMetadata(stream, { maxCount: 2, owner: "x" });
      const { metadata } = await client.getStreamMetadata(stream);
      assert.equal(metadata.maxCount, 2);
      assert.equal(metadata.owner, "x");
      assert.deepEqual((await read(stream)).map(text), [2, 3]);
    });

    test("a link is resolved to its target", async () => {
      const stream = fresh();
      const links = fresh("links");
      await append(stream, numbers(0, 1));
      await append(links, binaryEvent({ type: "$>", data: Buffer.from(`1@${stream}`) }));
      const found = [];
      for await (const resolved of client.readStream(links, { resolveLinkTos: true })) found.push(resolved);
      assert.equal(found.length, 1);
      assert.equal(found[0].event.streamId, stream);
      assert.deepEqual(found[0].event.data, { n: 1 });
      assert.equal(found[0].link.streamId, links);
    });

    test("a deleted stream is not found and continues its numbers when it is written again", async () => {
      const stream = fresh();
      await append(stream, numbers(0, 1));
      const { position } = await client.deleteStream(stream, { expectedRevision: 1n });
      assert.ok(position.commit > 0n);
      assert.ok((await refusal(read(stream))) instanceof library.StreamNotFoundError);
      const refused = await refusal(append(stream, numbers(2), STREAM_EXISTS));
      assert.ok(refused instanceof library.StreamDeletedError, String(refused));
      assert.equal((await append(stream, numbers(2), NO_STREAM)).nextExpectedRevision, 2n);
      assert.deepEqual((await read(stream)).map(text), [2]);
    });

    test("deleting with a wrong revision is refused with both versions", async () => {
      const stream = fresh();
      await append(stream, numbers(0, 1));
      const error = await refusal(client.deleteStream(stream, { expectedRevision: 7n }));
      assert.ok(error instanceof library.WrongExpectedVersionError, String(error));
      assert.equal(error.streamName, stream);
      assert.deepEqual(dialect.versions(error), [7n, 1n]);
    });

    test("a tombstoned stream is gone for ever", async () => {
      const stream = fresh();
      await append(stream, numbers(0));
      await client.tombstoneStream(stream);
      const unreadable = await refusal(read(stream));
      assert.ok(unreadable instanceof library.StreamDeletedError, String(unreadable));
      const unwritable = await refusal(append(stream, numbers(1)));
      assert.ok(unwritable instanceof library.StreamDeletedError, String(unwritable));
      const error = await refusal(take(client.subscribeToStream(stream), 1));
      assert.ok(error instanceof library.StreamDeletedError, String(error));
    });

    test("the cluster is found by gossip", async () => {
      const discovering = dialect.connect(sink.url.replace("://", "+discover://"));
      const stream = fresh();
      await discovering.appendToStream(stream, numbers(0));
      assert.deepEqual((await read(stream)).map(text), [0]);
      await discovering.dispose();
    });
  });
}
