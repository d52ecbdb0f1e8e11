import library from "@eventstore/db-client";

import { clientSuite } from "./suite.mjs";

clientSuite("@eventstore/db-client", library, {
  connect: (url) => library.EventStoreDBClient.connectionString(url),
  expecting: (expected) => (expected === undefined ? {} : { expectedRevision: expected }),
  filtersReads: false,
  appendsToSeveralStreams: false,
  edgeDecidesDirection: false,
  versions: (error) => [error.expectedVersion, error.actualVersion],
});
