/**
 * Certificates that are replaced while the server runs: their files are looked at, and what is new in them counts from the next
 * handshake on. What cannot be used changes nothing.
 */
import { getModuleConfig, type Module, type ProcessRec, type Timeout } from "../../modules/mod.ts";
import type { PemAt, SslConfig } from "./config.ts";
import { filesOf, type Texts, withTexts } from "./files.ts";
import { renewOutgoing, scopeConfigs } from "./outgoing.ts";
import { readAgain, versionOf } from "./pem.ts";
import { rebuildSslServer, sslServerOf } from "./server.ts";

const LOOK_MS = 1000;

const renewals = new WeakMap<ProcessRec, Renewal>();
/** Who must know of other certificates: the front whose server is the runtime's. */
const told = new WeakMap<ProcessRec, () => void>();

/** child_init */
export function startRenewal(process: ProcessRec, module: Module<SslConfig>): void {
  const confs = scopeConfigs(process, module);
  const files = confs.flatMap(filesOf);
  if (files.length === 0) return;
  const renewal = new Renewal(process, files, (texts, changed) => {
    renewServers(process, module, texts, changed);
    attempt(process, "backends", () => renewOutgoing(process, confs, texts));
    told.get(process)?.();
  });
  renewals.set(process, renewal);
  renewal.start();
}

/** child_exit */
export function stopRenewal(process: ProcessRec): void {
  renewals.get(process)?.stop();
}

/** listener_tls */
export function onRenewal(process: ProcessRec, changed: () => void): void {
  told.set(process, changed);
}

function renewServers(
  process: ProcessRec,
  module: Module<SslConfig>,
  texts: Texts,
  changed: ReadonlySet<string>,
): void {
  for (const server of process.servers) {
    if (sslServerOf(server) === undefined) continue;
    const conf = getModuleConfig(server.config, module);
    if (!filesOf(conf).some(({ path }) => changed.has(path))) continue;
    const done = attempt(process, server.hostname, () => rebuildSslServer(server, withTexts(conf, texts)));
    if (done)
      process.log.notice("ssl", "", `${server.hostname}: certificates were read anew, since their files changed`);
  }
}

function attempt(process: ProcessRec, whose: string, renew: () => void): boolean {
  try {
    renew();
    return true;
  } catch (error) {
    const why = (error as Error).message;
    process.log.error("ssl", "", `${whose}: certificates stay as they were, their files changed, but: ${why}`);
    return false;
  }
}

/** Looks at the files of one generation. */
class Renewal implements Timeout {
  deadline = 0;
  slot = 0;
  private readonly process: ProcessRec;
  private readonly files: ReadonlyMap<string, PemAt>;
  private readonly versions = new Map<string, string>();
  private readonly moving = new Set<PemAt>();
  private readonly texts = new Map<string, string>();
  private readonly renew: (texts: Texts, changed: ReadonlySet<string>) => void;

  /** @param renew told once files have changed and stand still */
  constructor(process: ProcessRec, files: readonly PemAt[], renew: Renewal["renew"]) {
    this.process = process;
    this.files = new Map(files.map((file) => [file.path, file]));
    this.renew = renew;
    for (const [path, file] of this.files) this.versions.set(path, versionOf(file));
  }

  start(): void {
    if (this.files.size > 0) this.process.wheel.arm(this, LOOK_MS);
  }

  stop(): void {
    this.process.wheel.drop(this);
  }

  /** The wheel's call. */
  expire(): void {
    this.look();
    this.process.wheel.arm(this, LOOK_MS);
  }

  private look(): void {
    let moved = false;
    for (const [path, file] of this.files) {
      const version = versionOf(file);
      if (version === this.versions.get(path)) continue;
      this.versions.set(path, version);
      this.moving.add(file);
      moved = true;
    }
    // A certificate and its key are two files: not before both stand still, and are there.
    if (moved || this.moving.size === 0) return;
    const changed = new Set<string>();
    for (const file of this.moving) {
      const text = this.read(file);
      if (text === null) return;
      if (text !== (this.texts.get(file.path) ?? file.text)) changed.add(file.path);
      this.texts.set(file.path, text);
    }
    this.moving.clear();
    if (changed.size > 0) this.renew(this.texts, changed);
  }

  /** Null: not now. */
  private read(file: PemAt): string | null {
    const { host, log } = this.process;
    try {
      return readAgain(file, host.files!);
    } catch (error) {
      log.error("ssl", "", `certificates stay as they were: '${file.path}': ${(error as Error).message}`);
      this.moving.clear();
      return null;
    }
  }
}
