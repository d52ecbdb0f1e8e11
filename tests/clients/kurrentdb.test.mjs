import library from "@kurrent/kurrentdb-client";

import { clientSuite } from "./suite.mjs";

clientSuite("@kurrent/kurrentdb-client", library, {
  connect: (url) => library.KurrentDBClient.connectionString(url.replace("esdb", "kurrentdb")),
  expecting: (expected) => (expected === undefined ? {} : { streamState: expected }),
  filtersReads: true,
  appendsToSeveralStreams: true,
  edgeDecidesDirection: true, // its native part reads forwards from START and backwards from END, whatever is asked
  versions: (error) => [error.expectedState, error.actualState],
});
