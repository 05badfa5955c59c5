/**
 * mod_heartbeat: this server tells another one, which balances between several, how busy it is.
 * Source: httpd modules/cluster/mod_heartbeat.c
 */
import {
  type CommandContext,
  connectionCount,
  type DatagramSocket,
  DECLINED,
  defineModule,
  getModuleConfig,
  OK,
  type ProcessRec,
  type SocketError,
  type Watchdog,
  watchdogExit,
  watchdogInit,
  watchdogNeed,
  watchdogStep,
  z,
} from "../../modules/mod.ts";
import { parseTarget } from "./address.ts";
import { LagMeter, readySlots, SAMPLE_MS } from "./load.ts";
import { DEFAULT_PORT, formatHeartbeat } from "./message.ts";

/** What httpd has workers for by default, MaxRequestWorkers. */
const CAPACITY = 400;

const heartbeat = defineModule({
  name: "mod_heartbeat",
  config: z.object({ target: z.object({ host: z.string(), port: z.number() }).optional() }),
  needs: ["udp", "timers"],
  commands: ({ take1 }) => [
    take1("HeartbeatAddress", "global", setTarget, "Address to send heartbeat requests", {
      differs:
        "reports open connections, and room up to 400 that shrinks as timers come late: an event loop has no threads",
    }),
  ],
  registerHooks({ hook }) {
    hook(watchdogNeed, (process, name) => (name === "_singleton_" && targetOf(process) ? OK : DECLINED));
    hook(watchdogInit, start);
    hook(watchdogStep, (watchdog) => senders.get(watchdog)?.send());
    hook(watchdogExit, (watchdog) => senders.get(watchdog)?.stop());
  },
});
export default heartbeat;

const senders = new WeakMap<Watchdog, Sender>();

function setTarget(cmd: CommandContext, arg: string): string | undefined {
  if (cmd.raw.target !== undefined) return "HeartbeatAddress: May only be specified once.";
  const target = parseTarget(arg, "address");
  if (typeof target === "string") return `HeartbeatAddress: ${target}`;
  cmd.set("target", target);
  return undefined;
}

function targetOf(process: ProcessRec) {
  return getModuleConfig(process.servers[0]!.config, heartbeat).target;
}

function start(watchdog: Watchdog): void {
  const { process } = watchdog;
  const target = targetOf(process);
  if (target === undefined || watchdog.name !== "_singleton_") return;
  const lag = new LagMeter(process.clock.now());
  watchdog.every("mod_heartbeat", SAMPLE_MS, () => lag.sample(process.clock.now()));
  const sender = new Sender(process, target.port, lag);
  senders.set(watchdog, sender);
  void sender.open(target.host);
}

class Sender {
  private readonly process: ProcessRec;
  private readonly port: number;
  private readonly lag: LagMeter;
  private address = "";
  private socket: DatagramSocket | null = null;
  private stopped = false;

  constructor(process: ProcessRec, port: number, lag: LagMeter) {
    this.process = process;
    this.port = port;
    this.lag = lag;
  }

  async open(host: string): Promise<void> {
    const { sockets } = this.process;
    try {
      [this.address = host] = await sockets.lookup(host);
      const socket = await sockets.datagram({ address: "", port: 0, ipv6: this.address.includes(":") }, this);
      if (this.stopped) socket.close();
      else this.socket = socket;
    } catch (error) {
      this.onError(error as SocketError);
    }
  }

  send(): void {
    const busy = connectionCount();
    const ready = readySlots(CAPACITY, busy, this.lag.take(this.process.clock.now()));
    const text = formatHeartbeat({ ready, busy, port: DEFAULT_PORT });
    this.socket?.send(new TextEncoder().encode(text), this.address, this.port);
  }

  stop(): void {
    this.stopped = true;
    this.socket?.close();
    this.socket = null;
  }

  onMessage(): void {}

  onError({ code, message }: SocketError): void {
    this.process.log.warn("heartbeat", "", `cannot send heartbeats to port ${this.port}: ${code}: ${message}`);
  }
}
