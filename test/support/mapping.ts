/**
 * The phases of a request up to its handler, on a configuration, without sockets: what path becomes of which.
 *
 *     const map = mapper(`RewriteEngine On\nRewriteRule ^/a http://other.test/ [R]`);
 *     map("/a") // "302 http://other.test/"
 */

import { commandsByName } from "../../modules/config/build.ts";
import { readConfig } from "../../modules/config/preprocess.ts";
import { TimerWheel } from "../../modules/core/clock.ts";
import type { Host } from "../../modules/core/host.ts";
import { ConnRec, type ProcessRec, RequestRec } from "../../modules/core/records.ts";
import { DECLINED, OK } from "../../modules/core/status.ts";
import { HeaderTable } from "../../modules/core/table.ts";
import { fixups, mapToStorage, translateName } from "../../modules/server/hooks.ts";
import { makeGeneration } from "../../modules/server/lifecycle.ts";
import { decodePath, normalizePath, splitTarget } from "../../modules/server/uri.ts";
import { vhostNamed } from "../../modules/server/vhost.ts";
import { sectionWalk } from "../../modules/server/walk.ts";
import { VirtualClock } from "./clock.ts";
import { standardModules } from "./modules.ts";

/** The files that the server sees; a time of change counts up at each `write`. */
export class FakeFiles {
  private readonly texts = new Map<string, { text: string; modifiedMs: number }>();
  private writes = 0;

  write(path: string, text: string): void {
    this.texts.set(path, { text, modifiedMs: ++this.writes });
  }

  remove(path: string): void {
    this.texts.delete(path);
  }

  readonly host: Host = {
    env: (name) => (name === "FROM_PROCESS" ? "process" : undefined),
    digest: () => "",
    hmacSha256: () => new Uint8Array(32),
    randomBytes: (size) => new Uint8Array(size),
    loadAverage: () => [0, 0, 0],
    cpuTimeUs: () => 0,
    cpuUsageUs: () => ({ user: 0, system: 0 }),
    pid: 1,
    writer: null,
    files: {
      stat: (path) => {
        const file = this.texts.get(path);
        if (file !== undefined)
          return { kind: "file", size: file.text.length, modifiedMs: file.modifiedMs, executable: false };
        const isFolder = [...this.texts.keys()].some((name) => name.startsWith(`${path}/`));
        return isFolder ? { kind: "dir", size: 0, modifiedMs: 0, executable: true } : null;
      },
      read: (path) => this.texts.get(path)!.text,
      version: (path) => String(this.texts.get(path)!.modifiedMs),
    },
  };
}

export interface Ask {
  readonly headers?: readonly (readonly [string, string])[];
  readonly host?: string;
  readonly method?: string;
}

/** Answers "STATUS LOCATION", "proxy:URL", "file:PATH", "redirect:PATH", or "-" where nothing mapped the path. */
export type Mapper = (target: string, ask?: Ask) => string;

/** @throws ConfigError */
export function mapper(
  conf: string,
  files = new FakeFiles(),
  lines: string[] = [],
): Mapper & { last: RequestRec | null } {
  const process = generation(conf, files.host, lines);
  const map = (target: string, ask: Ask = {}): string => {
    const r = request(process, target, ask);
    map.last = r;
    return phases(r);
  };
  map.last = null as RequestRec | null;
  return map;
}

function generation(conf: string, host: Host, lines: string[]): ProcessRec {
  const clock = new VirtualClock();
  const commands = commandsByName(standardModules);
  const names = new Set(standardModules.map((module) => module.name));
  const hasModule = (name: string) => names.has(name);
  const tree = readConfig(
    "test.conf",
    {
      readFile: () => `ServerName proxy.test:8080\n${conf}`,
      readDir: () => [],
      kind: () => "file",
      env: () => undefined,
      version: "2.4.71",
      moduleLoaded: hasModule,
      loadModule: () => null,
      hasDirective: (name) => commands.has(name.toLowerCase()),
      hasSection: (name) => commands.get(name.toLowerCase())?.command.kind === "section",
      warn: () => {},
    },
    { defines: [], before: [], after: [], serverRoot: "/" },
  );
  const sink = { write: (line: string) => void lines.push(line) };
  return makeGeneration({
    tree,
    modules: standardModules,
    clock,
    wheel: new TimerWheel(clock),
    sockets: {} as ProcessRec["sockets"], // nothing is connected before the handler
    host,
    generation: 0,
    resolvePath: (path) => (path.startsWith("/") ? path : `/root/${path}`.replace(/\/\.$/, "")),
    warn: (ah, text) => lines.push(`${ah}: ${text}`),
    hasModule,
    openErrorLog: () => sink,
    openLog: () => sink,
    missingLogFolder: () => null,
    pid: 1,
  });
}

function request(process: ProcessRec, target: string, ask: Ask): RequestRec {
  const headers = new HeaderTable();
  headers.add("Host", ask.host ?? "proxy.test:8080");
  for (const [name, value] of ask.headers ?? []) headers.add(name, value);
  const conn = new ConnRec({
    id: 1,
    process,
    peerIp: "192.0.2.1",
    peerPort: 4321,
    localIp: "192.0.2.9",
    localPort: 8080,
    vhosts: process.servers,
    secure: false,
  });
  const name = (ask.host ?? "proxy.test").replace(/:\d+$/, "");
  const server = vhostNamed(process.servers, name) ?? process.servers[0]!;
  const method = ask.method ?? "GET";
  const head = { method, target, protoNum: 1001, requestLine: `${method} ${target} HTTP/1.1`, headers };
  const r = new RequestRec(conn, server, head, process.clock.wallUs());
  r.hostname = name;
  return r;
}

function phases(r: RequestRec): string {
  const { path, query } = splitTarget(r.unparsedUri);
  r.args = query;
  r.encodedUri = normalizePath(path, true)!;
  r.uri = decodePath(r.encodedUri, "off") as string;
  sectionWalk(r, null);
  const { hooks } = r.server.process;
  for (const phase of [translateName, mapToStorage, fixups]) {
    const { uri } = r;
    const status = phase.run(hooks, r);
    if (typeof status !== "number") throw new Error("a mapping that waits");
    if (r.uri !== uri) sectionWalk(r, null);
    if (status !== OK && status !== DECLINED) return `${status} ${r.headersOut.get("Location") ?? ""}`.trim();
  }
  if (r.filename === "") return "-";
  return /^(proxy|redirect):/.test(r.filename) ? r.filename : `file:${r.filename}`;
}
