// Processes of the program under test, each in the foreground of a child process.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
export const root = resolve(here, "../..");
export const binary = process.env.TWINSTREAM_BINARY ?? join(root, "build/proxy/twinstream");

export const temporaryDirectory = () => mkdtemp(join(tmpdir(), "twinstream-clients-"));
export const deleteDirectory = (directory) => rm(directory, { recursive: true, force: true });

/// A port that nobody listens on, for servers that come back on the same one.
export const freePort = () =>
  new Promise((done, fail) => {
    const probe = createServer();
    probe.once("error", fail);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });

/// Starts a server and waits for its line that matches; `stop` and `kill` answer the exit status or the signal's name.
export async function startServer(args, ready) {
  const child = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  child.stderr.on("data", (part) => {
    log += part;
    process.stderr.write(part);
  });
  const ended = new Promise((done) => child.once("exit", (code, signal) => done(signal ?? code)));
  const match = await new Promise((done, fail) => {
    child.once("error", fail);
    ended.then((how) => fail(new Error(`twinstream ${args[0]} ended: ${how}`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      const found = ready.exec(line);
      if (found) done(found);
    });
  });
  const end = (signal) => {
    child.kill(signal);
    return ended;
  };
  return { match, pid: child.pid, log: () => log, stop: () => end("SIGTERM"), kill: () => end("SIGKILL") };
}

/// Runs a command to its end, with this on its standard input.
export const run = (command, args, input) =>
  new Promise((done, fail) => {
    const child = spawn(command, args, { stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"] });
    child.stdin?.on("error", () => {}); // a command that ends without reading it: its status tells
    child.stdin?.end(input);
    let output = "";
    let errors = "";
    child.stdout.on("data", (part) => (output += part));
    child.stderr.on("data", (part) => (errors += part));
    child.once("error", fail);
    child.once("exit", (status) => done({ status, output, errors }));
  });

/// The same for a command that must succeed; answers what it printed.
export async function must(command, args, input) {
  const { status, output, errors } = await run(command, args, input);
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}:\n${output}${errors}`);
  return output.trim();
}
