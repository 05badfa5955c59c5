/**
 * A host that has the web's interfaces and nothing else: no files, no sockets, no process.
 */
import { systemClock, TimerWheel } from "../core/clock.ts";
import type { LogSink } from "../core/error_log.ts";
import type { Host } from "../core/host.ts";
import type { SocketHost } from "../net/socket.ts";
import type { Machine } from "../server/load.ts";
import { hmacSha256, md5, sha1, toHex } from "./digest.ts";

const consoleSink: LogSink = { write: (line) => console.error(line.trimEnd()) };

/** Only modules that need no sockets take part, so nobody asks. */
const noSockets: SocketHost = new Proxy({} as SocketHost, {
  get() {
    throw new Error("this host has no sockets");
  },
});

const webHost: Host = {
  env: () => undefined,
  digest: (algorithm, text) => toHex(algorithm === "md5" ? md5(text) : sha1(text)),
  hmacSha256,
  randomBytes: (size) => crypto.getRandomValues(new Uint8Array(size)),
  loadAverage: () => [0, 0, 0],
  cpuTimeUs: () => 0,
  cpuUsageUs: () => ({ user: 0, system: 0 }),
  pid: 0,
  files: null,
  writer: null,
};

export function webMachine(): Machine {
  return {
    files: { readFile: missing, readDir: missing, kind: () => "none" },
    clock: systemClock,
    wheel: new TimerWheel(systemClock),
    sockets: noSockets,
    host: webHost,
    hostname: () => "localhost",
    pid: 0,
    // A log to a file is refused when the handler is made.
    openLogs: () => ({
      openErrorLog: () => consoleSink,
      openLog: () => consoleSink,
      missingLogFolder: () => null,
      release() {},
    }),
  };
}

function missing(path: string): never {
  throw Object.assign(new Error(`no such file: ${path}`), { code: "ENOENT" });
}
