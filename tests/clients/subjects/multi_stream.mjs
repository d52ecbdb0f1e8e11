// Appends to several streams at once (protocol v2), which only the Kurrent client has.
import assert from "node:assert/strict";
import { test } from "node:test";

import { text } from "../context.mjs";

export function multiStream(t) {
  const { library, dialect, append, fresh, number, numbers, read, refusal } = t;
  if (!dialect.appendsToSeveralStreams) return;
  const { ANY, NO_STREAM, STREAM_EXISTS, binaryEvent } = library;
  const together = (...requests) =>
    t.client.multiStreamAppend(
      requests.map(([streamName, expectedState, events]) => ({ streamName, expectedState, events })),
    );

  test("all streams are written", async () => {
    const [one, other] = [fresh("order"), fresh("invoice")];
    await append(other, numbers(0, 1));
    const result = await together([one, NO_STREAM, numbers(2, 3)], [other, 1n, numbers(4)]);
    assert.ok(result.position > 0n);
    assert.deepEqual(result.responses, [
      { streamName: one, revision: 1n },
      { streamName: other, revision: 2n },
    ]);
    assert.deepEqual((await read(one)).map(text), [2, 3]);
    assert.deepEqual((await read(other)).map(text), [0, 1, 4]);
  });

  test("a conflict writes nothing and names the stream with both revisions", async () => {
    const [one, other] = [fresh(), fresh()];
    await append(other, numbers(0, 1));
    const error = await refusal(together([one, NO_STREAM, numbers(2)], [other, 0n, numbers(3)]));
    assert.ok(error instanceof library.WrongExpectedVersionError, String(error));
    assert.equal(error.streamName, other);
    assert.equal(BigInt(error.expectedState), 0n);
    assert.equal(BigInt(error.actualState), 1n);
    assert.ok((await refusal(read(one))) instanceof library.StreamNotFoundError);
    assert.deepEqual((await read(other)).map(text), [0, 1]);
  });

  test("every expectation is understood", async () => {
    const [any, none, exists, exact] = [fresh(), fresh(), fresh(), fresh()];
    await append(exists, number(0));
    await append(exact, number(0));
    const result = await together(
      [any, ANY, numbers(1)],
      [none, NO_STREAM, numbers(1)],
      [exists, STREAM_EXISTS, numbers(1)],
      [exact, 0n, numbers(1)],
    );
    assert.deepEqual(result.responses.map(({ revision }) => revision), [0n, 0n, 1n, 1n]);
  });

  test("a tombstoned stream refuses all of it", async () => {
    const [one, gone] = [fresh(), fresh()];
    await append(gone, number(0));
    await t.client.tombstoneStream(gone);
    const error = await refusal(together([one, ANY, numbers(1)], [gone, ANY, numbers(1)]));
    assert.ok(error instanceof library.StreamTombstonedError, String(error));
    assert.equal(error.stream, gone);
    assert.ok((await refusal(read(one))) instanceof library.StreamNotFoundError);
  });

  test("a repetition gives the first answer and writes nothing", async () => {
    const requests = [
      [fresh(), NO_STREAM, numbers(1, 2)],
      [fresh(), NO_STREAM, numbers(3)],
    ];
    const first = await together(...requests);
    assert.deepEqual(await together(...requests), first);
    assert.equal((await read(requests[0][0])).length, 2);
  });

  test("a record and a transaction that are too large are refused with their sizes", async () => {
    const large = (bytes) => binaryEvent({ type: "Large", data: new Uint8Array(bytes) });
    const record = await refusal(together([fresh(), ANY, [large(1100 * 1024)]]));
    assert.ok(record instanceof library.AppendRecordSizeExceededError, String(record));
    assert.ok(record.size > record.maxSize);
    const whole = await refusal(together([fresh(), ANY, [large(600 * 1024)]], [fresh(), ANY, [large(600 * 1024)]]));
    assert.ok(whole instanceof library.TransactionMaxSizeExceededError, String(whole));
    assert.equal(whole.maxSize, 1024 * 1024);
  });

  test("binary events and metadata come back", async () => {
    const stream = fresh();
    const raw = binaryEvent({ type: "Raw", data: Uint8Array.from([0, 255, 7]), metadata: undefined });
    await together([stream, NO_STREAM, [raw, ...numbers(1)]]);
    const [first, second] = await read(stream);
    assert.equal(first.id, raw.id);
    assert.equal(first.isJson, false);
    assert.deepEqual([...first.data], [0, 255, 7]);
    assert.equal(second.metadata.by, "test");
    assert.equal(second.metadata["$schema.name"], "Numbered");
    assert.equal(second.metadata["$schema.format"], "Json");
  });

  test("appends to the same streams at once are each whole", async () => {
    const [one, other] = [fresh(), fresh()];
    await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        n % 2 === 0
          ? together([one, ANY, numbers(n)], [other, ANY, numbers(n)])
          : together([other, ANY, numbers(n)], [one, ANY, numbers(n)]),
      ),
    );
    const sorted = async (stream) => (await read(stream)).map(text).sort((left, right) => left - right);
    assert.deepEqual(await sorted(one), [...Array(20).keys()]);
    assert.deepEqual(await sorted(other), [...Array(20).keys()]);
  });

  const records = (streamName, events) => events.map((record) => ({ streamName, record }));

  test("records of several streams are written as one", async () => {
    const [one, other] = [fresh(), fresh()];
    const [a, b, c] = numbers(1, 2, 3);
    const result = await t.client.appendRecords([
      ...records(one, [a]),
      ...records(other, [b]),
      ...records(one, [c]),
    ]);
    assert.ok(result.position > 0n);
    assert.deepEqual(result.responses, [
      { streamName: one, revision: 1n },
      { streamName: other, revision: 0n },
    ]);
    assert.deepEqual((await read(one)).map(text), [1, 3]);
  });

  test("records depend on checks of streams that are not written", async () => {
    if (!t.kind.checksStreams) {
      const check = { type: "streamState", streamName: fresh(), expectedState: NO_STREAM };
      const error = await refusal(t.client.appendRecords(records(fresh(), numbers(0)), [check]));
      assert.match(String(error), /cannot append with checks/);
      return;
    }
    const [written, checked, absent] = [fresh(), fresh(), fresh()];
    await append(checked, numbers(0, 1));
    const holding = [
      { type: "streamState", streamName: checked, expectedState: 1n },
      { type: "streamState", streamName: absent, expectedState: NO_STREAM },
    ];
    await t.client.appendRecords(records(written, numbers(2)), holding);
    const failing = [
      { type: "streamState", streamName: checked, expectedState: 0n },
      { type: "streamState", streamName: absent, expectedState: STREAM_EXISTS },
    ];
    const error = await refusal(t.client.appendRecords(records(written, numbers(3)), failing));
    assert.ok(error instanceof library.AppendConsistencyViolationError, String(error));
    assert.equal(error.violations.length, 2);
    assert.deepEqual((await read(written)).map(text), [2]);
  });
}
