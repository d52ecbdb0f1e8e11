import library from "@kurrent/kurrentdb-client";

import { clientSuite } from "./suite.mjs";

clientSuite("@kurrent/kurrentdb-client", library, {
  connect: (url) => library.KurrentDBClient.connectionString(url.replace("esdb", "kurrentdb")),
  expecting: (expected) => (expected === undefined ? {} : { streamState: expected }),
  versions: (error) => [error.expectedState, error.actualState],
});
