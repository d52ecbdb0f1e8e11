// Stream metadata, where the server holds it.
import assert from "node:assert/strict";
import { test } from "node:test";

import { text } from "../context.mjs";

export function metadata(t) {
  const { library, dialect, append, fresh, number, numbers, read, refusal, take } = t;
  const { NO_STREAM } = library;

  test("a stream without metadata has none", async () => {
    const stream = fresh();
    await append(stream, number(0));
    const { metadata, metastreamRevision } = await t.client.getStreamMetadata(stream);
    assert.ok(metadata === undefined || Object.keys(metadata).length === 0);
    assert.equal(metastreamRevision, undefined);
  });

  if (!t.kind.holdsMetadata) {
    test("metadata is refused with the reason, and the stream is as before", async () => {
      const stream = fresh();
      await append(stream, number(0));
      const error = await refusal(t.client.setStreamMetadata(stream, { maxCount: 1 }));
      assert.match(String(error), /PostgreSQL has no place for metadata/);
      await append(stream, number(1));
      assert.deepEqual((await read(stream)).map(text), [0, 1]);
      const { metadata } = await t.client.getStreamMetadata(stream);
      assert.ok(metadata === undefined || Object.keys(metadata).length === 0);
    });

    test("other system streams are refused too", async () => {
      const error = await refusal(append("$settings", number(0)));
      assert.match(String(error), /\$settings/);
      assert.ok((await refusal(read("$settings"))) instanceof library.StreamNotFoundError);
      await refusal(t.client.deleteStream("$settings"));
    });
    return;
  }

  test("system events can be left out", async () => {
    const stream = fresh();
    const start = await append(stream, numbers(0));
    await t.client.setStreamMetadata(stream, { owner: "x" });
    await append(stream, numbers(1));
    const options = { fromPosition: start.position, filter: library.excludeSystemEvents() };
    assert.deepEqual((await take(t.client.subscribeToAll(options), 1)).map(text), [1]);
  });

  test("metadata is written and read, and truncates", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1, 2, 3));
    await t.client.setStreamMetadata(stream, { maxCount: 2, owner: "x" });
    const { metadata } = await t.client.getStreamMetadata(stream);
    assert.equal(metadata.maxCount, 2);
    assert.equal(metadata.owner, "x");
    assert.deepEqual((await read(stream)).map(text), [2, 3]);
  });

  test("every kind of metadata comes back", async () => {
    const stream = fresh();
    await append(stream, number(0));
    const acl = { readRoles: ["$all"], writeRoles: ["admin", "ops"], deleteRoles: ["admin"] };
    const given = { maxCount: 10, maxAge: 3600, cacheControl: 15, truncateBefore: 0, acl, custom: { x: [1, 2] } };
    await t.client.setStreamMetadata(stream, given);
    const { metadata, streamName } = await t.client.getStreamMetadata(stream);
    assert.equal(streamName, stream);
    for (const key of ["maxCount", "maxAge", "cacheControl", "custom"]) assert.deepEqual(metadata[key], given[key]);
    assert.deepEqual(metadata.acl.writeRoles, acl.writeRoles);
  });

  test("metadata truncates before a revision", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1, 2, 3));
    await t.client.setStreamMetadata(stream, { truncateBefore: 2 });
    assert.deepEqual((await read(stream)).map(text), [2, 3]);
    await t.client.setStreamMetadata(stream, {});
    assert.deepEqual((await read(stream)).map(text), [0, 1, 2, 3]);
  });

  test("metadata has revisions that can be expected", async () => {
    const stream = fresh();
    await t.client.setStreamMetadata(stream, { a: 1 }, dialect.expecting(NO_STREAM));
    await t.client.setStreamMetadata(stream, { a: 2 }, dialect.expecting(0n));
    const error = await refusal(t.client.setStreamMetadata(stream, { a: 3 }, dialect.expecting(0n)));
    assert.ok(error instanceof library.WrongExpectedVersionError, String(error));
    const { metadata } = await t.client.getStreamMetadata(stream);
    assert.equal(metadata.a, 2);
    assert.equal((await read(`$$${stream}`))[0].revision, 1n);
  });

  test("the metadata stream shows its last event only", async () => {
    const stream = fresh();
    for (const a of [1, 2, 3]) await t.client.setStreamMetadata(stream, { a });
    const found = await read(`$$${stream}`);
    assert.deepEqual(found.map((event) => [event.type, event.revision, event.data.a]), [["$metadata", 2n, 3]]);
  });

  test("metadata of a deleted stream hides its events by $tb", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1));
    await t.client.deleteStream(stream);
    const [found] = await read(`$$${stream}`);
    assert.equal(found.type, "$metadata");
    assert.ok(Number(found.data.$tb) > 0);
  });
}
