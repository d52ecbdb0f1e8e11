// What the subjects share: the client under test, its server, and short ways to use them.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

export const text = (event) => event.data.n;

/// `client` and `server` are set while the suite runs.
export function makeContext(library, dialect, kind) {
  const { jsonEvent } = library;
  const t = { library, dialect, kind, client: undefined, server: undefined };
  t.number = (n, id = randomUUID()) => jsonEvent({ id, type: "Numbered", data: { n }, metadata: { by: "test" } });
  t.numbers = (...values) => values.map((n) => t.number(n));
  t.fresh = (category = "order") => `${category}-${randomUUID()}`;
  t.append = (stream, events, expected) => t.client.appendToStream(stream, events, dialect.expecting(expected));
  t.refusal = (promise) => promise.then(() => assert.fail("was not refused"), (error) => error);
  /// Everything that a read or a subscription gives, as it comes: with links.
  t.resolved = async (events) => {
    const found = [];
    for await (const resolved of events) found.push(resolved);
    return found;
  };
  t.collect = async (events) => (await t.resolved(events)).map((resolved) => resolved.event);
  t.read = (stream, options = {}) => t.collect(t.client.readStream(stream, options));
  t.readAll = (options = {}) => t.collect(t.client.readAll(options));
  /// The next events of a subscription, closed afterwards.
  t.take = async (subscription, count, onStart = () => {}) => {
    const found = [];
    onStart();
    for await (const resolved of subscription) {
      found.push(resolved.event);
      if (found.length === count) break;
    }
    await subscription.unsubscribe();
    return found;
  };
  /// Again and again, as an application does when its server goes away and comes back.
  t.eventually = async (operation, seconds = 60) => {
    for (const deadline = Date.now() + seconds * 1000; ; ) {
      try {
        return await operation();
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await new Promise((done) => setTimeout(done, 50));
      }
    }
  };
  return t;
}
