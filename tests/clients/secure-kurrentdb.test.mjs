import library from "@kurrent/kurrentdb-client";

import { secureSuite } from "./secure.mjs";

secureSuite("@kurrent/kurrentdb-client", library, (rest) =>
  library.KurrentDBClient.connectionString(`kurrentdb://${rest}`),
);
