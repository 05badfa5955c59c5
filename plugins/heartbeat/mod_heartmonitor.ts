/**
 * mod_heartmonitor: collects what backends say of their load, by UDP and by POST, for lbmethod=heartbeat.
 * Source: httpd modules/cluster/mod_heartmonitor.c
 */
import {
  type Bytes,
  type CommandContext,
  type DatagramSocket,
  DECLINED,
  DONE,
  defineModule,
  getModuleConfig,
  handler,
  loadTable,
  OK,
  type ProcessRec,
  postConfig,
  type RequestRec,
  type SocketError,
  type Status,
  type Watchdog,
  watchdogExit,
  watchdogInit,
  watchdogNeed,
  z,
} from "../../modules/mod.ts";
import { parseTarget } from "./address.ts";
import { MAX_MESSAGE_BYTES, parseHeartbeat } from "./message.ts";
import { writeStorage } from "./storage.ts";
import { HeartbeatTable } from "./table.ts";

const LOG = "heartmonitor";
const STORE_MS = 5000;
const LEAST_SLOTS = 10;

const heartmonitor = defineModule({
  name: "mod_heartmonitor",
  config: z.object({
    listen: z.object({ host: z.string(), port: z.number() }).optional(),
    /** HeartbeatStorage, absolute; "": hb.dat in the runtime folder. */
    storage: z.string().default(""),
    /** HeartbeatMaxServers; 0: the file is written, any number of them. */
    maxServers: z.number().default(10),
  }),
  needs: ["udp", "timers", "files"],
  commands: ({ take1 }) => [
    take1("HeartbeatListen", "global", setListen, "Address to listen for heartbeat requests"),
    take1("HeartbeatStorage", "global", "storage", "Path to read heartbeat data."),
    take1("HeartbeatMaxServers", "global", setMaxServers, "Specify the max number of servers that will be managed"),
  ],
  registerHooks(hooks) {
    hooks.hook(postConfig, build);
    hooks.hook(watchdogNeed, (process, name) => (name === "_singleton_" && monitorOf(process)?.active ? OK : DECLINED));
    hooks.hook(watchdogInit, (watchdog) => monitorOf(watchdog.process)?.start(watchdog));
    hooks.hook(watchdogExit, (watchdog) => monitorOf(watchdog.process)?.stop());
    hooks.hook(handler, receive);
  },
});
export default heartmonitor;

const monitors = new WeakMap<ProcessRec, Monitor>();

function monitorOf(process: ProcessRec): Monitor | undefined {
  return monitors.get(process);
}

function setListen(cmd: CommandContext, arg: string): string | undefined {
  if (cmd.raw.listen !== undefined) return "HeartbeatListen: May only be specified once.";
  const target = parseTarget(arg, "multicast address");
  if (typeof target === "string") return `HeartbeatListen: ${target}`;
  cmd.set("listen", target);
  return undefined;
}

function setMaxServers(cmd: CommandContext, arg: string): string | undefined {
  const most = Number(/^\s*[+-]?\d+/.exec(arg)?.[0] ?? 0);
  if (most !== 0 && most < LEAST_SLOTS) {
    return "HeartbeatMaxServers: Should be 0 for file storage, or greater or equal than 10 for slotmem";
  }
  cmd.set("maxServers", most);
  return undefined;
}

/** post_config. A reload goes on with what is known: the members would all be unknown for a second otherwise. */
function build(process: ProcessRec, previous: ProcessRec | null): void {
  const { listen, storage, maxServers } = getModuleConfig(process.servers[0]!.config, heartmonitor);
  const path = storage === "" ? "hb.dat" : storage;
  const monitor = new Monitor(process, listen ?? null, absolute(process.runtimeDir, path), maxServers);
  const before = previous === null ? undefined : monitorOf(previous);
  if (before !== undefined) monitor.table.takeOver(before.table);
  monitors.set(process, monitor);
  process.siblings.hear(BEATS, (message) => {
    const { ip, beat } = message as ToldBeat;
    monitor.take(ip, beat);
    monitor.table.forget();
  });
  // Without HeartbeatListen another server, or a script, writes the file, and lbmethod=heartbeat reads that.
  if (monitor.active) process.providers.register(loadTable, "slotmem", monitor.table);
}

function absolute(folder: string, path: string): string {
  return path.startsWith("/") ? path : `${folder}/${path}`;
}

type Beat = NonNullable<ReturnType<typeof parseHeartbeat>>;

/** What one child tells the others. */
interface ToldBeat {
  readonly ip: string;
  readonly beat: Beat;
}

const BEATS = "mod_heartmonitor";

class Monitor {
  readonly table: HeartbeatTable;
  private readonly process: ProcessRec;
  private readonly listen: { readonly host: string; readonly port: number } | null;
  private readonly path: string;
  private readonly maxServers: number;
  private socket: DatagramSocket | null = null;
  private stopped = false;
  private full = false;

  constructor(process: ProcessRec, listen: Monitor["listen"], path: string, maxServers: number) {
    this.process = process;
    this.listen = listen;
    this.path = path;
    this.maxServers = maxServers;
    this.table = new HeartbeatTable(process.clock, maxServers === 0 ? Number.POSITIVE_INFINITY : maxServers);
  }

  get active(): boolean {
    return this.listen !== null;
  }

  start(watchdog: Watchdog): void {
    if (this.listen === null || watchdog.name !== "_singleton_") return;
    void this.open(this.listen);
    this.store();
    watchdog.every("mod_heartmonitor", STORE_MS, () => this.store());
  }

  stop(): void {
    this.stopped = true;
    this.socket?.close();
    this.socket = null;
  }

  private async open({ host, port }: NonNullable<Monitor["listen"]>): Promise<void> {
    const { log, sockets } = this.process;
    try {
      const [address] = await sockets.lookup(host);
      const socket = await sockets.datagram({ address: address!, port }, this);
      if (this.stopped) socket.close();
      else {
        this.socket = socket;
        log.debug(LOG, "AH02091", "_heartmonitor_ listener started.");
      }
    } catch (error) {
      const { code, message } = error as SocketError;
      log.crit(LOG, "AH02072", `cannot listen on ${host}:${port}: ${code}: ${message}; no heartbeats by UDP`);
    }
  }

  onMessage(bytes: Uint8Array, address: string): void {
    const { log } = this.process;
    const beat = parseHeartbeat(text(bytes.subarray(0, MAX_MESSAGE_BYTES)), true);
    if (beat === null) {
      log.crit(LOG, "AH02087", `malformed message from ${address}`);
      return;
    }
    log.debug(LOG, "AH02086", `${address} busy=${beat.busy} ready=${beat.ready}`);
    this.add(address, beat);
  }

  onError(error: SocketError): void {
    this.process.log.error(LOG, "", `heartbeats: ${error.message}`);
  }

  /** One child hears it, and all elect by it. */
  add(ip: string, beat: Beat): void {
    this.process.siblings.tell(BEATS, { ip, beat } satisfies ToldBeat);
    this.take(ip, beat);
  }

  take(ip: string, beat: Beat): void {
    const room = this.table.add(ip, beat);
    if (!room && !this.full) {
      this.process.log.warn(LOG, "", `no room for ${ip}: HeartbeatMaxServers is ${this.maxServers}`);
    }
    this.full = !room;
  }

  /** Writes the file, where it is used. */
  store(): void {
    this.table.forget();
    if (this.maxServers !== 0) return;
    try {
      writeStorage(this.path, this.table);
    } catch (error) {
      this.process.log.error(LOG, "", `cannot write HeartbeatStorage ${this.path}: ${(error as Error).message}`);
    }
  }
}

/** handler `heartbeat`: a POST with a heartbeat. */
function receive(r: RequestRec): Status | Promise<Status> {
  if (r.handler !== "heartbeat") return DECLINED;
  if (r.method !== "POST") return 405;
  const monitor = monitorOf(r.server.process);
  if (monitor === undefined || !monitor.active) {
    r.log.error(LOG, "AH10561", "Heartbeat monitoring not active", r);
    return 503;
  }
  return new Promise((resolve) => {
    let body = "";
    r.body.read({
      onBody(bytes: Bytes) {
        body += bytes.latin1Slice(0, Math.min(bytes.length, MAX_MESSAGE_BYTES - body.length));
      },
      onBodyEnd: () => resolve(accept(r, monitor, body)),
      onBodyError: (status) => resolve(status),
    });
  });
}

function accept(r: RequestRec, monitor: Monitor, body: string): Status {
  const beat = parseHeartbeat(body, false);
  if (beat === null) return 400;
  monitor.add(r.useragentIp, beat);
  monitor.store();
  r.headersOut.set("Content-Type", "text/plain");
  r.out.begin(2);
  r.out.writeText("OK");
  r.out.end();
  return DONE;
}

function text(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
