/**
 * The program as a child process, on a configuration of its own.
 *
 *     await using sluice = await startSluice(`
 *       Listen 127.0.0.1:PORT
 *       ProxyPass "/" "${backend.url}/"
 *     `);
 *     const client = await connectClient(sluice.port);
 *
 * In the text, PORT and PORT2 to PORT9 are free ports, and DIR the temporary directory of the configuration.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./backend.ts";
import { connectClient } from "./client.ts";
import { within } from "./message.ts";
import { kill, mortal } from "./mortal.ts";

/** Options of tests that start the program: a busy machine takes its time, and Bun gives a test 5 s. */
export const SLOW = { timeout: 60_000 };

/** A port of 127.0.0.1, the path of a unix socket, or an address. */
type Address = Parameters<typeof connectClient>[0];

export type Runtime = "bun" | "deno";
/** The runtime the test itself runs on. */
export const currentRuntime: Runtime = "Deno" in globalThis ? "deno" : "bun";

export interface SluiceOptions {
  /** @default the runtime of the test */
  readonly runtime?: Runtime;
  /** @default httpd */
  readonly syntax?: "httpd" | "yaml";
  /**
   * StartServers, where the configuration has none; "auto" is what it is by itself, one for each core. Each costs as much as
   * a program to start, and there are some hundred programs in a run of all tests.
   * @default 1, on every machine
   */
  readonly children?: number | "auto";
  /** More of the command line, after `-f conf`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** More files for DIR; the text is treated as the configuration's. */
  readonly files?: Readonly<Record<string, string>>;
  /** What to connect to in order to know that it runs. @default PORT */
  readonly ready?: Address;
  /** The limit of open files. @default that of the test */
  readonly descriptors?: number;
  /** Descriptors of this process that the program gets, from 3 on. @default none */
  readonly inherit?: readonly number[];
  /** A shell script that runs the program, "$@". @default the program alone */
  readonly shell?: string;
  /** What to run; it is told nothing of children. @default mod.ts */
  readonly program?: string;
}

const root = fileURLToPath(new URL("../../", import.meta.url));
const POLL_MS = 20;
const START_MS = 20_000;
const STOP_MS = 10_000;
const RETRIES = 3;

export class Sluice implements AsyncDisposable {
  readonly dir: string;
  readonly confFile: string;
  /** PORT, PORT2, ... */
  readonly ports: readonly number[];
  stdout = "";
  stderr = "";
  /** null while it runs; a signal's name if one ended it. */
  exit: number | string | null = null;
  readonly exited: Promise<number | string>;
  private readonly child: ChildProcess;

  constructor(child: ChildProcess, dir: string, confFile: string, ports: readonly number[]) {
    this.child = child;
    this.dir = dir;
    this.confFile = confFile;
    this.ports = ports;
    mortal(child, () => rmSync(dir, { recursive: true, force: true }));
    child.stdout?.on("data", (bytes) => {
      this.stdout += bytes;
    });
    child.stderr?.on("data", (bytes) => {
      this.stderr += bytes;
    });
    this.exited = new Promise((resolve) => {
      child.on("error", (error) => {
        this.stderr += `cannot start: ${error.message}\n`;
        resolve((this.exit = "ENOENT"));
      });
      child.on("close", (code, signal) => {
        resolve((this.exit = code ?? signal ?? "?"));
      });
    });
  }

  get port(): number {
    return this.ports[0]!;
  }
  get pid(): number {
    return this.child.pid!;
  }

  /** DIR/error.log so far: the error log, unless the configuration has an ErrorLog of its own. */
  get errorLog(): string {
    return this.file("error.log");
  }

  /** A file of DIR as it is now; "" if there is none. */
  file(name: string): string {
    const path = join(this.dir, name);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  /** Resolves with the match when the file has the text. */
  async untilFile(name: string, text: string | RegExp): Promise<RegExpMatchArray> {
    const pattern = typeof text === "string" ? new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")) : text;
    const deadline = Date.now() + STOP_MS;
    for (;;) {
      const found = this.file(name).match(pattern);
      if (found !== null) return found;
      if (this.exit !== null || Date.now() > deadline) throw this.failure(`${name} does not have ${pattern}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  untilLog(text: string | RegExp): Promise<RegExpMatchArray> {
    return this.untilFile("error.log", text);
  }

  /** Replaces the configuration, with the same ports, for a restart by signal. */
  writeConf(text: string): void {
    writeFileSync(
      this.confFile,
      prepare(text, this.dir, this.ports, this.confFile.endsWith(".yaml") ? "yaml" : "httpd"),
    );
  }

  /** Replaces a file of DIR; the text is treated as the configuration's. */
  writeFile(name: string, text: string): void {
    writeFileSync(join(this.dir, name), substitute(text, this.dir, this.ports));
  }

  signal(name: NodeJS.Signals): void {
    kill(this.child, name);
  }

  /** Ends it and resolves with its exit code, or the name of the signal that ended it. DIR goes too. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | string> {
    if (this.exit === null) kill(this.child, signal);
    try {
      return await within(this.exited, () => `the exit after ${signal}`, STOP_MS);
    } catch (error) {
      kill(this.child, "SIGKILL");
      await this.exited;
      throw this.failure((error as Error).message);
    } finally {
      rmSync(this.dir, { recursive: true, force: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  failure(what: string): Error {
    return new Error(
      `sluice: ${what}; exit ${this.exit}\nstderr: ${this.stderr}\nstdout: ${this.stdout}\nerror.log: ${this.errorLog}`,
    );
  }
}

/** Starts the program and resolves when it accepts connections; rejects with its logs if it does not. */
export async function startSluice(conf: string, options: SluiceOptions = {}): Promise<Sluice> {
  for (let attempt = 1; ; attempt++) {
    const sluice = await launch(conf, options);
    try {
      await untilReady(sluice, options.ready ?? sluice.port);
      return sluice;
    } catch (error) {
      await sluice.stop("SIGKILL");
      // Somebody else took a port between our look and its bind.
      const taken = /EADDRINUSE|address (already )?in use/i.test((error as Error).message);
      if (!taken || attempt === RETRIES) throw error;
    }
  }
}

/** Runs the program to its end, as with `-t`. */
export async function runSluice(conf: string, options: SluiceOptions = {}): Promise<Sluice> {
  const sluice = await launch(conf, options);
  await within(sluice.exited, () => "the exit", START_MS).catch((error) => {
    throw sluice.failure((error as Error).message);
  });
  return sluice;
}

async function launch(conf: string, options: SluiceOptions): Promise<Sluice> {
  const { runtime = currentRuntime, syntax = "httpd", children = 1, args = [], files = {} } = options;
  const dir = mkdtempSync(join(tmpdir(), "sluice-test-"));
  const ports = await freePorts([conf, ...Object.values(files)].join("\n"));
  const confFile = join(dir, syntax === "yaml" ? "conf.yaml" : "httpd.conf");
  writeFileSync(confFile, prepare(conf, dir, ports, syntax));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), substitute(text, dir, ports));
  const binary = runtime === currentRuntime ? process.execPath : join(root, "node_modules/.bin", runtime);
  const program = options.program ?? join(root, "mod.ts");
  const command = runtime === "deno" ? ["run", "-A", program] : [program];
  const given = options.program === undefined ? ["-C", `StartServers ${children}`] : [];
  const words = [binary, ...command, ...given, "-f", confFile, ...args];
  const { shell = 'exec "$@"', inherit = [], descriptors } = options;
  const limit = descriptors === undefined ? "" : `ulimit -n ${descriptors}; `;
  if (limit !== "" || options.shell !== undefined) words.unshift("sh", "-c", limit + shell, "sh");
  const child = spawn(words[0]!, words.slice(1), {
    cwd: root,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe", ...inherit],
  });
  return new Sluice(child, dir, confFile, ports);
}

/** As many as the text has names for; one at least. */
async function freePorts(text: string): Promise<number[]> {
  let count = 1;
  for (const [, digit] of text.matchAll(/\bPORT([2-9])\b/g)) count = Math.max(count, Number(digit));
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

function prepare(text: string, dir: string, ports: readonly number[], syntax: "httpd" | "yaml"): string {
  const log = syntax === "yaml" ? `errorLog: ${join(dir, "error.log")}\n` : `ErrorLog "${join(dir, "error.log")}"\n`;
  return `${/^\s*ErrorLog\b/im.test(text) ? "" : log}${substitute(text, dir, ports)}`;
}

function substitute(text: string, dir: string, ports: readonly number[]): string {
  return text
    .replace(/\bPORT([2-9]?)\b/g, (_, digit: string) => String(ports[digit === "" ? 0 : Number(digit) - 1]))
    .replace(/\bDIR\b/g, dir);
}

async function untilReady(sluice: Sluice, to: Address): Promise<void> {
  const deadline = Date.now() + START_MS;
  while (!(await connects(to))) {
    if (sluice.exit !== null) throw sluice.failure("ended before it listened");
    if (Date.now() > deadline) throw sluice.failure(`does not listen on ${JSON.stringify(to)} after ${START_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function connects(to: Address): Promise<boolean> {
  try {
    (await connectClient(to)).destroy();
    return true;
  } catch {
    return false;
  }
}
