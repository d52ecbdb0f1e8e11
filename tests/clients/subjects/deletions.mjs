// Soft deletes, tombstones and what comes after them.
import assert from "node:assert/strict";
import { test } from "node:test";

import { text } from "../context.mjs";

export function deletions(t) {
  const { library, dialect, append, fresh, number, numbers, read, refusal, take } = t;
  const { ANY, BACKWARDS, END, NO_STREAM, STREAM_EXISTS } = library;
  const expecting = (expectedRevision) => ({ expectedRevision });
  /// A deletion has no place in the order of PostgreSQL, so there is no position for it.
  const isPositionOfDeletion = (position) => (t.kind.ordersDeletions ? position.commit > 0n : position === undefined);

  test("a deleted stream is not found and continues its numbers when it is written again", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1));
    const { position } = await t.client.deleteStream(stream, { expectedRevision: 1n });
    assert.ok(isPositionOfDeletion(position));
    assert.ok((await refusal(read(stream))) instanceof library.StreamNotFoundError);
    const refused = await refusal(append(stream, numbers(2), STREAM_EXISTS));
    assert.ok(refused instanceof library.StreamDeletedError, String(refused));
    assert.equal((await append(stream, numbers(2), NO_STREAM)).nextExpectedRevision, 2n);
    assert.deepEqual((await read(stream)).map(text), [2]);
  });

  test("deleting with a wrong revision is refused with both versions", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1));
    const error = await refusal(t.client.deleteStream(stream, { expectedRevision: 7n }));
    assert.ok(error instanceof library.WrongExpectedVersionError, String(error));
    assert.equal(error.streamName, stream);
    assert.deepEqual(dialect.versions(error), [7n, 1n]);
  });

  test("a tombstoned stream is gone for ever", async () => {
    const stream = fresh();
    await append(stream, numbers(0));
    await t.client.tombstoneStream(stream);
    const unreadable = await refusal(read(stream));
    assert.ok(unreadable instanceof library.StreamDeletedError, String(unreadable));
    const unwritable = await refusal(append(stream, numbers(1)));
    assert.ok(unwritable instanceof library.StreamDeletedError, String(unwritable));
    const error = await refusal(take(t.client.subscribeToStream(stream), 1));
    assert.ok(error instanceof library.StreamDeletedError, String(error));
  });

  test("every expectation of a delete is checked", async () => {
    for (const expected of [ANY, 1n]) {
      const stream = fresh();
      await append(stream, numbers(0, 1));
      const { position } = await t.client.deleteStream(stream, expecting(expected));
      assert.ok(isPositionOfDeletion(position));
      assert.ok((await refusal(read(stream))) instanceof library.StreamNotFoundError);
    }
  });

  test("a tombstone with a wrong revision is refused", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1));
    const error = await refusal(t.client.tombstoneStream(stream, expecting(5n)));
    assert.ok(error instanceof library.WrongExpectedVersionError, String(error));
    assert.deepEqual((await read(stream)).map(text), [0, 1]);
  });

  test("a tombstone answers a position and expects a revision", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1));
    const result = await t.client.tombstoneStream(stream, expecting(1n));
    assert.ok(isPositionOfDeletion(result.position));
    const error = await refusal(read(stream));
    assert.ok(error instanceof library.StreamDeletedError, String(error));
    assert.equal(error.streamName, stream);
  });

  test("a deleted stream can still be tombstoned", async () => {
    const stream = fresh();
    await append(stream, numbers(0));
    await t.client.deleteStream(stream);
    await t.client.tombstoneStream(stream);
    assert.ok((await refusal(append(stream, number(1)))) instanceof library.StreamDeletedError);
  });

  test("a tombstoned stream cannot be deleted", async () => {
    const stream = fresh();
    await append(stream, numbers(0));
    await t.client.tombstoneStream(stream);
    const error = await refusal(t.client.deleteStream(stream));
    assert.ok(error instanceof library.StreamDeletedError, String(error));
    assert.equal(error.streamName, stream);
  });

  test("a deleted stream is written again by every fitting expectation", async () => {
    for (const expected of [ANY, NO_STREAM, 1n]) {
      const stream = fresh();
      await append(stream, numbers(0, 1));
      await t.client.deleteStream(stream);
      assert.equal((await append(stream, numbers(2, 3), expected)).nextExpectedRevision, 3n);
      assert.deepEqual((await read(stream)).map(text), [2, 3]);
      assert.deepEqual((await read(stream, { direction: BACKWARDS, fromRevision: END })).map(text), [3, 2]);
    }
  });

  test("a stream may be deleted and written again many times", async () => {
    const stream = fresh();
    for (let n = 0; n < 4; n += 1) {
      assert.equal((await append(stream, number(n))).nextExpectedRevision, BigInt(n));
      assert.deepEqual((await read(stream)).map(text), [n]);
      await t.client.deleteStream(stream);
    }
    assert.ok((await refusal(read(stream))) instanceof library.StreamNotFoundError);
  });
}
