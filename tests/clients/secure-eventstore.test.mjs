import library from "@eventstore/db-client";

import { secureSuite } from "./secure.mjs";

secureSuite("@eventstore/db-client", library, (rest) => library.EventStoreDBClient.connectionString(`esdb://${rest}`));
