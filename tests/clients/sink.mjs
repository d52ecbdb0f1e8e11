// Starts `twinstream sink` on a free port.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const binary = process.env.TWINSTREAM_BINARY ?? resolve(here, "../../build/proxy/twinstream");

export const temporaryDirectory = () => mkdtemp(join(tmpdir(), "twinstream-clients-"));
export const deleteDirectory = (directory) => rm(directory, { recursive: true });

export async function startSink(directory) {
  const child = spawn(binary, ["sink", "--data", directory, "--listen", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((done) => child.once("exit", (code, signal) => done(signal ?? code)));
  const address = await new Promise((done, fail) => {
    child.once("error", fail);
    ended.then((how) => fail(new Error(`the sink ended: ${how}`)));
    createInterface({ input: child.stdout }).once("line", (line) => done(/listening on (\S+),/.exec(line)[1]));
  });
  const end = (signal) => {
    child.kill(signal);
    return ended;
  };
  return {
    url: `esdb://${address}?tls=false`,
    stop: () => end("SIGTERM"), // both answer the exit status or the name of the signal
    kill: () => end("SIGKILL"),
  };
}
