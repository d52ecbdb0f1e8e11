// Starts `twinstream sink` on a free port with a directory of its own.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const binary = process.env.TWINSTREAM_BINARY ?? resolve(here, "../../build/proxy/twinstream");

export async function startSink() {
  const directory = await mkdtemp(join(tmpdir(), "twinstream-clients-"));
  const child = spawn(binary, ["sink", "--data", directory, "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((done) => child.once("exit", (code) => done(code)));
  const address = await new Promise((done, fail) => {
    child.once("error", fail);
    ended.then((code) => fail(new Error(`the sink ended with status ${code}`)));
    createInterface({ input: child.stdout }).once("line", (line) => done(/listening on (\S+),/.exec(line)[1]));
  });
  return {
    url: `esdb://${address}?tls=false`,
    /// Answers the exit status of an orderly stop.
    async stop() {
      child.kill("SIGTERM");
      const code = await ended;
      await rm(directory, { recursive: true });
      return code;
    },
  };
}
