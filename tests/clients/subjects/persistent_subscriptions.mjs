// Persistent subscriptions: groups, the answers to a message, strategies, parked messages, errors, restarts.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

const text = (resolved) => resolved.event.data.n;

export function persistentSubscriptions(t) {
  const { library, fresh, refusal } = t;
  const client = () => t.client;
  const { START, END, PARK, RETRY, SKIP, STOP, ROUND_ROBIN, DISPATCH_TO_SINGLE, PINNED, jsonEvent, binaryEvent } = library;
  const numbered = (n, metadata) => jsonEvent({ type: "Numbered", data: { n }, ...(metadata && { metadata }) });
  const write = (stream, ...values) => client().appendToStream(stream, values.map((n) => numbered(n)));
  const settings = (changes) =>
    library.persistentSubscriptionToStreamSettingsFromDefaults({ startFrom: START, ...changes });
  const allSettings = (changes) =>
    library.persistentSubscriptionToAllSettingsFromDefaults({ startFrom: END, ...changes });
  const create = (stream, changes, group = "g") =>
    client().createPersistentSubscriptionToStream(stream, group, settings(changes));
  const info = (stream, group = "g") => client().getPersistentSubscriptionToStreamInfo(stream, group);

  /// A consumer whose events are taken one by one; how it ended comes from `end`.
  const consuming = (subscription) => {
    const waiting = [];
    const takers = [];
    const end = new Promise((done) => {
      subscription.on("error", done);
      subscription.on("end", () => done(undefined));
    });
    subscription.on("data", (resolved) => (takers.length > 0 ? takers.shift()(resolved) : waiting.push(resolved)));
    const confirmed = new Promise((done) => subscription.once("confirmation", done));
    return {
      end,
      confirmed,
      waiting,
      next: () => (waiting.length > 0 ? Promise.resolve(waiting.shift()) : new Promise((done) => takers.push(done))),
      async take(count) {
        const found = [];
        while (found.length < count) found.push(await this.next());
        return found;
      },
      ack: (...events) => subscription.ack(...events),
      nack: (action, reason, ...events) => subscription.nack(action, reason, ...events),
      leave: () => subscription.unsubscribe(),
    };
  };
  const consume = (stream, options, group = "g") =>
    consuming(client().subscribeToPersistentSubscriptionToStream(stream, group, options));
  const consumeAll = (group, options) =>
    consuming(client().subscribeToPersistentSubscriptionToAll(group, options));

  /// Until the group stands as wanted.
  const once = async (ask, wanted) => {
    for (let i = 0; i < 1_000; i += 1) {
      const found = await ask();
      if (wanted(found)) return found;
      await pause(10);
    }
    return assert.fail("it did not come to that");
  };
  const parked = (stream, count) => once(() => info(stream), ({ stats }) => stats.parkedMessageCount === count);

  test("a group delivers what is there and what comes, with retry count 0", async () => {
    const stream = fresh();
    await write(stream, 0, 1);
    await create(stream);
    const consumer = consume(stream);
    await consumer.confirmed;
    const found = await consumer.take(2);
    assert.deepEqual(found.map(text), [0, 1]);
    assert.deepEqual(found.map(({ retryCount }) => retryCount), [0, 0]);
    assert.equal(found[0].event.streamId, stream);
    assert.equal(found[1].event.revision, 1n);
    assert.ok(found[0].commitPosition > 0n);
    await consumer.ack(...found);
    await write(stream, 2);
    assert.equal(text(await consumer.next()), 2);
    await consumer.leave();
  });

  test("a group may start at the end or in the middle", async () => {
    const stream = fresh();
    await write(stream, 0, 1, 2);
    await create(stream, { startFrom: END }, "end");
    await create(stream, { startFrom: 1n }, "middle");
    await write(stream, 3);
    const end = consume(stream, {}, "end");
    const middle = consume(stream, {}, "middle");
    assert.deepEqual((await end.take(1)).map(text), [3]);
    assert.deepEqual((await middle.take(3)).map(text), [1, 2, 3]);
    await end.leave();
    await middle.leave();
  });

  test("never more than the buffer size is unanswered", async () => {
    const stream = fresh();
    await write(stream, 0, 1, 2, 3);
    await create(stream);
    const consumer = consume(stream, { bufferSize: 2 });
    const [first] = await consumer.take(2);
    const { connections, stats } = await info(stream);
    assert.equal(stats.totalInFlightMessages, 2);
    assert.equal(connections[0].inFlightMessages, 2);
    assert.equal(connections[0].availableSlots, 0);
    assert.equal(consumer.waiting.length, 0);
    await consumer.ack(first);
    assert.equal(text(await consumer.next()), 2);
    await consumer.leave();
  });

  test("retry comes again with its count, skip and stop do not, too many retries park", async () => {
    const stream = fresh();
    await write(stream, 0, 1, 2);
    await create(stream, { maxRetryCount: 2 });
    const consumer = consume(stream, { bufferSize: 1 });
    for (let count = 0; count <= 2; count += 1) {
      const found = await consumer.next();
      assert.deepEqual([text(found), found.retryCount], [0, count]);
      await consumer.nack(RETRY, "again", found);
    }
    await consumer.nack(SKIP, "no", await consumer.next());
    const last = await consumer.next();
    assert.equal(text(last), 2);
    await consumer.nack(STOP, "enough", last);
    await parked(stream, 1n);
    await once(() => info(stream), ({ stats }) => stats.outstandingMessagesCount === 0);
    await consumer.leave();
  });

  test("a parked message is a link with its reason, and comes again when it is replayed", async () => {
    const stream = fresh();
    await write(stream, 0, 1);
    await create(stream);
    const consumer = consume(stream);
    const [first, second] = await consumer.take(2);
    await consumer.nack(PARK, "cannot be read", first);
    await consumer.ack(second);
    await parked(stream, 1n);
    if (t.kind.showsParked) {
      const [link] = await t.read(`$persistentsubscription-${stream}::g-parked`);
      assert.equal(link.type, "$>");
      assert.equal(Buffer.from(link.data).toString(), `0@${stream}`);
    }
    await client().replayParkedMessagesToStream(stream, "g");
    const replayed = await consumer.next();
    assert.equal(text(replayed), 0);
    assert.equal(replayed.event.streamId, stream);
    await consumer.ack(replayed);
    await parked(stream, 0n);
    await consumer.leave();
  });

  test("a replay stops where it is told", async () => {
    const stream = fresh();
    await write(stream, 0, 1, 2);
    await create(stream);
    const consumer = consume(stream);
    await consumer.nack(PARK, "later", ...(await consumer.take(3)));
    await parked(stream, 3n);
    await client().replayParkedMessagesToStream(stream, "g", { stopAt: 2 });
    const found = await consumer.take(2);
    assert.deepEqual(found.map(text), [0, 1]);
    await consumer.ack(...found);
    await parked(stream, 1n);
    await consumer.leave();
  });

  test("what is not answered in time comes again", async () => {
    const stream = fresh();
    await write(stream, 0);
    await create(stream, { messageTimeout: 50 });
    const consumer = consume(stream);
    assert.deepEqual((await consumer.take(2)).map(({ retryCount }) => retryCount), [0, 1]);
    await consumer.leave();
  });

  test("several consumers share the events, and what a lost one had goes to another", async () => {
    const stream = fresh();
    const numbers = [...Array(40).keys()];
    await create(stream, { consumerStrategyName: ROUND_ROBIN });
    const consumers = [consume(stream), consume(stream)];
    await Promise.all(consumers.map(({ confirmed }) => confirmed));
    await write(stream, ...numbers.slice(0, 10));
    const [left, right] = await Promise.all(consumers.map((consumer) => consumer.take(5)));
    assert.deepEqual([...left, ...right].map(text).sort((a, b) => a - b), numbers.slice(0, 10));
    await consumers[1].ack(...right);
    await consumers[0].leave();
    const again = await consumers[1].take(5);
    assert.deepEqual(again.map(text).sort((a, b) => a - b), left.map(text));
    await consumers[1].leave();
  });

  test("DispatchToSingle keeps to one consumer while it has room", async () => {
    const stream = fresh();
    await create(stream, { consumerStrategyName: DISPATCH_TO_SINGLE });
    const first = consume(stream, { bufferSize: 3 });
    await first.confirmed;
    const second = consume(stream);
    await second.confirmed;
    await write(stream, 0, 1, 2, 3);
    assert.deepEqual((await first.take(3)).map(text), [0, 1, 2]);
    assert.equal(text(await second.next()), 3);
    await first.leave();
    await second.leave();
  });

  test("Pinned keeps the events of one stream with one consumer", async () => {
    const category = `pinned${randomUUID().slice(0, 8)}`;
    const links = fresh("links");
    const streams = Array.from({ length: 10 }, () => fresh(category));
    for (const stream of streams) await write(stream, 0, 1, 2);
    const targets = [0, 1, 2].flatMap((n) => streams.map((stream) => `${n}@${stream}`));
    await client().appendToStream(links, targets.map((at) => binaryEvent({ type: "$>", data: Buffer.from(at) })));
    await create(links, { consumerStrategyName: PINNED, resolveLinkTos: true, startFrom: START });
    const consumers = [consume(links, { bufferSize: 100 }), consume(links, { bufferSize: 100 })];
    await Promise.all(consumers.map(({ confirmed }) => confirmed));
    await consumers[0].leave();
    const third = consume(links, { bufferSize: 100 });
    await third.confirmed;
    // Whoever came and went: from now on a stream's events go to one of two.
    for (const stream of streams) await write(stream, 3, 4);
    const more = [3, 4].flatMap((n) => streams.map((stream) => `${n}@${stream}`));
    await client().appendToStream(links, more.map((at) => binaryEvent({ type: "$>", data: Buffer.from(at) })));
    const owners = new Map();
    const missing = new Set(more);
    const watch = async (consumer, name) => {
      while (missing.size > 0) {
        const found = await Promise.race([consumer.next(), once(() => missing.size, (size) => size === 0)]);
        if (!found?.event) return;
        await consumer.ack(found);
        if (found.event.data.n < 3) continue;
        const owner = owners.get(found.event.streamId) ?? name;
        owners.set(found.event.streamId, owner);
        assert.equal(owner, name, "a stream has one consumer");
        missing.delete(`${found.event.data.n}@${found.event.streamId}`);
      }
    };
    await Promise.all([watch(consumers[1], "second"), watch(third, "third")]);
    assert.equal(owners.size, streams.length);
    await consumers[1].leave();
    await third.leave();
  });

  test("links are delivered as they are or resolved", async () => {
    const stream = fresh();
    const links = fresh("links");
    await write(stream, 0, 1);
    await client().appendToStream(links, binaryEvent({ type: "$>", data: Buffer.from(`1@${stream}`) }));
    await create(links, { resolveLinkTos: true }, "resolving");
    await create(links, { resolveLinkTos: false }, "plain");
    const resolving = consume(links, {}, "resolving");
    const plain = consume(links, {}, "plain");
    const found = await resolving.next();
    assert.equal(found.event.streamId, stream);
    assert.equal(text(found), 1);
    assert.equal(found.link.streamId, links);
    await resolving.ack(found);
    const link = await plain.next();
    assert.equal(link.event.type, "$>");
    assert.equal(link.link, undefined);
    await resolving.leave();
    await plain.leave();
  });

  test("a group that exists cannot be created", async () => {
    const stream = fresh();
    await create(stream);
    const error = await refusal(create(stream));
    assert.ok(error instanceof library.PersistentSubscriptionExistsError, String(error));
    assert.equal(error.streamName, stream);
    assert.equal(error.groupName, "g");
  });

  test("a group that does not exist is said not to", async () => {
    const stream = fresh();
    const calls = [
      () => client().updatePersistentSubscriptionToStream(stream, "g", settings()),
      () => client().deletePersistentSubscriptionToStream(stream, "g"),
      () => client().replayParkedMessagesToStream(stream, "g"),
      () => info(stream),
      () => client().listPersistentSubscriptionsToStream(stream),
      () => consume(stream).end.then((error) => Promise.reject(error)),
    ];
    for (const call of calls) {
      const error = await refusal(call());
      assert.ok(error instanceof library.PersistentSubscriptionDoesNotExistError, String(error));
    }
  });

  test("settings that cannot be are refused", async () => {
    const error = await refusal(create(fresh(), { readBatchSize: 500, historyBufferSize: 500 }));
    assert.ok(error instanceof library.PersistentSubscriptionFailedError, String(error));
  });

  test("more consumers than allowed are refused", async () => {
    const stream = fresh();
    await create(stream, { maxSubscriberCount: 1 });
    const first = consume(stream);
    await first.confirmed;
    const error = await consume(stream).end;
    assert.ok(error instanceof library.PersistentSubscriptionMaximumSubscribersReachedError, String(error));
    await first.leave();
  });

  test("deleting a group drops its consumers", async () => {
    const stream = fresh();
    await create(stream);
    const consumer = consume(stream);
    await consumer.confirmed;
    await client().deletePersistentSubscriptionToStream(stream, "g");
    const error = await consumer.end;
    assert.ok(error instanceof library.PersistentSubscriptionDroppedError, String(error));
    assert.equal(error.streamName, stream);
    assert.equal(error.groupName, "g");
  });

  test("updating a group drops its consumers, who come back to where they were", async () => {
    const stream = fresh();
    await write(stream, 0, 1);
    await create(stream);
    const before = consume(stream, { bufferSize: 1 });
    await before.ack(await before.next());
    await before.next();
    await client().updatePersistentSubscriptionToStream(stream, "g", settings({ maxRetryCount: 5 }));
    const error = await before.end;
    assert.ok(error instanceof library.PersistentSubscriptionDroppedError, String(error));
    assert.equal((await info(stream)).settings.maxRetryCount, 5);
    const after = consume(stream);
    assert.equal(text(await after.next()), 1);
    await after.leave();
  });

  test("info tells settings, standing and connections", async () => {
    const stream = fresh();
    await write(stream, 0, 1, 2);
    const given = settings({ extraStatistics: true, messageTimeout: 7_000, checkPointUpperBound: 1, maxSubscriberCount: 3 });
    await client().createPersistentSubscriptionToStream(stream, "g", given);
    const consumer = consume(stream);
    await consumer.ack(...(await consumer.take(2)));
    const found = await once(() => info(stream), ({ stats }) => stats.lastCheckpointedEventRevision === 1n);
    assert.deepEqual(found.settings, given);
    assert.equal(found.eventSource, stream);
    assert.equal(found.groupName, "g");
    assert.equal(found.stats.lastKnownEventRevision, 2n);
    assert.equal(found.stats.totalItems, 3n);
    assert.equal(found.connections.length, 1);
    assert.ok(found.connections[0].connectionName.length > 0);
    assert.ok(found.connections[0].extraStatistics.has("mean"));
    await consumer.leave();
  });

  test("groups are listed by source and all together", async () => {
    const stream = fresh();
    await create(stream, {}, "a");
    await create(stream, {}, "b");
    const names = (groups) => groups.map(({ groupName }) => groupName);
    assert.deepEqual(names(await client().listPersistentSubscriptionsToStream(stream)), ["a", "b"]);
    const everything = await client().listAllPersistentSubscriptions();
    assert.equal(everything.filter(({ eventSource }) => eventSource === stream).length, 2);
  });

  test("a group on the whole log, by stream and by type, with its info, list, replay and deletion", async () => {
    const category = `c${randomUUID().slice(0, 8)}`;
    const group = fresh("all");
    const byType = fresh("all");
    const filter = library.streamNameFilter({ prefixes: [`${category}-`] });
    await client().createPersistentSubscriptionToAll(group, allSettings(), { filter });
    const typeFilter = library.eventTypeFilter({ regex: `^${category}$` });
    await client().createPersistentSubscriptionToAll(byType, allSettings(), { filter: typeFilter });
    const consumer = consumeAll(group);
    await consumer.confirmed;
    await write(fresh("other"), 9);
    await write(fresh(category), 0);
    await write(fresh(category), 1);
    await client().appendToStream(fresh("other"), jsonEvent({ type: category, data: { n: 7 } }));
    const [first, second] = await consumer.take(2);
    assert.deepEqual([first, second].map(text), [0, 1]);
    const typed = consumeAll(byType);
    assert.equal(text(await typed.next()), 7);
    await typed.leave();
    await consumer.nack(PARK, "later", first);
    await consumer.ack(second);
    const ask = () => client().getPersistentSubscriptionToAllInfo(group);
    const standing = await once(ask, ({ stats }) => stats.parkedMessageCount === 1n);
    assert.equal(standing.eventSource, "$all");
    assert.equal(standing.settings.startFrom, END);
    const listed = await client().listPersistentSubscriptionsToAll();
    assert.ok(listed.some(({ groupName }) => groupName === group));
    await client().replayParkedMessagesToAll(group);
    const replayed = await consumer.next();
    assert.equal(text(replayed), 0);
    await consumer.ack(replayed);
    await client().updatePersistentSubscriptionToAll(group, allSettings({ maxRetryCount: 3 }));
    assert.ok((await consumer.end) instanceof library.PersistentSubscriptionDroppedError);
    assert.equal((await ask()).settings.maxRetryCount, 3);
    await client().deletePersistentSubscriptionToAll(group);
    assert.ok((await refusal(ask())) instanceof library.PersistentSubscriptionDoesNotExistError);
  });

  test("groups, checkpoints and parked messages survive kill -9, groups a restart of the subsystem", async () => {
    const stream = fresh();
    await write(stream, 0, 1, 2);
    const eager = settings({ checkPointUpperBound: 1 });
    await client().createPersistentSubscriptionToStream(stream, "g", eager);
    const before = consume(stream, { bufferSize: 1 });
    await before.ack(await before.next());
    await before.nack(PARK, "later", await before.next());
    await before.next();
    const stored = ({ stats }) => stats.lastCheckpointedEventRevision === 1n && stats.parkedMessageCount === 1n;
    await once(() => info(stream), stored);
    await t.server.restart();
    await before.end;

    const kept = await t.eventually(() => info(stream));
    assert.deepEqual(kept.settings, eager);
    assert.ok(stored(kept));
    const after = consume(stream);
    assert.equal(text(await after.next()), 2);
    await client().replayParkedMessagesToStream(stream, "g");
    assert.equal(text(await after.next()), 1);
    await client().restartPersistentSubscriptionSubsystem();
    assert.ok((await after.end) instanceof library.PersistentSubscriptionDroppedError);
    const last = consume(stream);
    assert.equal(text(await last.next()), 2);
    await last.leave();
  });

  if (library.PINNED_BY_CORRELATION) {
    test("PinnedByCorrelation keeps what has one correlation id with one consumer", async () => {
      const stream = fresh();
      await create(stream, { consumerStrategyName: library.PINNED_BY_CORRELATION });
      assert.equal((await info(stream)).settings.consumerStrategyName, library.PINNED_BY_CORRELATION);
      const consumers = [consume(stream, { bufferSize: 100 }), consume(stream, { bufferSize: 100 })];
      await Promise.all(consumers.map(({ confirmed }) => confirmed));
      const events = [...Array(60).keys()].map((n) => numbered(n, { $correlationId: `c${n % 10}` }));
      await client().appendToStream(stream, events);
      await once(() => consumers[0].waiting.length + consumers[1].waiting.length, (count) => count === 60);
      const ids = consumers.map(({ waiting }) => new Set(waiting.map((resolved) => text(resolved) % 10)));
      assert.equal(ids[0].size + ids[1].size, 10);
      for (const consumer of consumers) await consumer.leave();
    });
  }
}
