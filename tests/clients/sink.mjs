// The embedded server: `twinstream sink`.
import { deleteDirectory, freePort, startServer, temporaryDirectory } from "./process.mjs";

export { deleteDirectory, temporaryDirectory };

export async function startSink(directory, port = 0, options = []) {
  const words = ["sink", "--data", directory, "--listen", `127.0.0.1:${port}`, ...options];
  const sink = await startServer(words, /listening on (\S+),/);
  return { ...sink, address: sink.match[1], url: `esdb://${sink.match[1]}?tls=false` };
}

/// As one of the servers that the suite runs against.
export const embedded = {
  name: "embedded server",
  holdsMetadata: true,
  ordersDeletions: true,
  showsParked: true,
  checksStreams: true,
  async start() {
    const directory = await temporaryDirectory();
    const port = await freePort();
    let sink = await startSink(directory, port);
    return {
      url: sink.url,
      async restart() {
        await sink.kill();
        sink = await startSink(directory, port);
      },
      /// Nothing to compare: there is one store.
      async verify() {},
      async stop() {
        const status = await sink.stop();
        await deleteDirectory(directory);
        if (status !== 0) throw new Error(`the sink ended with ${status}`);
      },
    };
  },
};
