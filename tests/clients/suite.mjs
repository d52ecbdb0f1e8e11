// What both official clients must be able to do, against every server. They differ in a few names only, which `dialect`
// hides. A subject is a function that registers its cases; every subject gets the same context.
import { after, before, describe } from "node:test";

import { makeContext } from "./context.mjs";
import { proxyInDualWrite, proxyInRetire } from "./proxy.mjs";
import { embedded } from "./sink.mjs";
import { appends } from "./subjects/appends.mjs";
import { deletions } from "./subjects/deletions.mjs";
import { errors } from "./subjects/errors.mjs";
import { metadata } from "./subjects/metadata.mjs";
import { multiStream } from "./subjects/multi_stream.mjs";
import { persistentSubscriptions } from "./subjects/persistent_subscriptions.mjs";
import { reads } from "./subjects/reads.mjs";
import { reconnection } from "./subjects/reconnection.mjs";
import { subscriptions } from "./subjects/subscriptions.mjs";
import { wholeLog } from "./subjects/whole_log.mjs";

const subjects = {
  appends,
  reads,
  wholeLog,
  subscriptions,
  persistentSubscriptions,
  deletions,
  metadata,
  multiStream,
  errors,
  reconnection,
};

export function clientSuite(name, library, dialect) {
  for (const kind of [embedded, proxyInDualWrite, proxyInRetire]) {
    describe(`${name}, ${kind.name}`, () => {
      const t = makeContext(library, dialect, kind);
      before(async () => {
        t.server = await kind.start();
        t.client = dialect.connect(t.server.url);
      });
      after(async () => {
        await t.client.dispose();
        try {
          await t.server.verify();
        } finally {
          await t.server.stop();
        }
      });
      for (const [subject, register] of Object.entries(subjects)) describe(subject, () => register(t));
    });
  }
}
