// Errors by class and fields, from both HTTP/2 stacks.
import assert from "node:assert/strict";
import { test } from "node:test";

import { freePort } from "../process.mjs";

export function errors(t) {
  const { library, dialect, append, fresh, number, numbers, read, refusal, take } = t;
  const { NO_STREAM, STREAM_EXISTS } = library;

  test("a server that is not there is unavailable", async () => {
    const client = dialect.connect(`esdb://127.0.0.1:${await freePort()}?tls=false&maxDiscoverAttempts=1`);
    const error = await refusal(client.appendToStream(fresh(), number(0)));
    assert.ok(error instanceof library.UnavailableError || /discover|connect|unavailable/i.test(String(error)), String(error));
    await client.dispose();
  });

  test("stream not found names the stream", async () => {
    const stream = fresh();
    const error = await refusal(read(stream));
    assert.ok(error instanceof library.StreamNotFoundError, String(error));
    assert.equal(error.type, library.ErrorType.STREAM_NOT_FOUND);
    assert.equal(error.streamName, stream);
  });

  test("stream deleted names the stream, to readers, writers and subscribers", async () => {
    const stream = fresh();
    await append(stream, number(0));
    await t.client.tombstoneStream(stream);
    const failures = [
      await refusal(read(stream)),
      await refusal(append(stream, number(1))),
      await refusal(take(t.client.subscribeToStream(stream), 1)),
      await refusal(t.client.deleteStream(stream)),
    ];
    for (const error of failures) {
      assert.ok(error instanceof library.StreamDeletedError, String(error));
      assert.equal(error.type, library.ErrorType.STREAM_DELETED);
      assert.equal(error.streamName, stream);
    }
  });

  test("wrong expected version has its type and stream", async () => {
    const stream = fresh();
    await append(stream, numbers(0, 1));
    for (const options of [{}, { credentials: { username: "admin", password: "changeit" } }]) {
      const wrong = { ...dialect.expecting(0n), ...options };
      const error = await refusal(t.client.appendToStream(stream, number(2), wrong));
      assert.ok(error instanceof library.WrongExpectedVersionError, String(error));
      assert.equal(error.type, library.ErrorType.WRONG_EXPECTED_VERSION);
      assert.equal(error.streamName, stream);
      assert.deepEqual(dialect.versions(error), [0n, 1n]);
    }
  });

  test("an append that is too large is refused by both kinds of append", async () => {
    const large = t.library.jsonEvent({ type: "Large", data: { text: "x".repeat(1100 * 1024) } });
    for (const options of [{}, { credentials: { username: "admin", password: "changeit" } }]) {
      const error = await refusal(t.client.appendToStream(fresh(), large, options));
      assert.ok(error instanceof library.MaxAppendSizeExceededError, String(error));
      assert.equal(error.type, library.ErrorType.MAXIMUM_APPEND_SIZE_EXCEEDED);
      assert.equal(error.maxAppendSize, 1024 * 1024);
    }
  });

  test("an event without a type or with an id that is none is refused", async () => {
    const bad = { ...number(0), type: "" };
    await refusal(append(fresh(), bad));
    await refusal(append(fresh(), { ...number(0), id: "no uuid" }));
    await append(fresh(), number(1));
  });

  test("a broken filter expression is refused", async () => {
    const filter = library.streamNameFilter({ regex: "(" });
    const error = await refusal(take(t.client.subscribeToAll({ filter }), 1));
    assert.ok(error instanceof Error);
    await append(fresh(), number(1));
  });

  test("after every refusal the same client goes on", async () => {
    const stream = fresh();
    for (let n = 0; n < 20; n += 1) {
      await refusal(append(stream, number(n), STREAM_EXISTS));
      await refusal(read(stream));
    }
    assert.equal((await append(stream, number(0), NO_STREAM)).nextExpectedRevision, 0n);
  });
}
