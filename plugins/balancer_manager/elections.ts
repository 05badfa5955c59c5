/** The last elections of a server's balancers, for as long as somebody looks. */
import {
  balancersOfServer,
  type Election,
  getProxyServerState,
  type ProcessRec,
  type ServerRec,
  type Timer,
  watchElections,
} from "../../modules/mod.ts";

const KEPT = 20;
/** Nobody has asked for so long: nobody looks any more. */
const WATCHED_MS = 5000;
/** The other children are asked for theirs. */
const TOPIC = "manager elections";

/** Watches from when it is first asked. */
class ElectionLog {
  readonly kept: Election[] = [];
  private readonly server: ServerRec;
  private timer: Timer = null;
  private cleanups: (() => void)[] = [];

  constructor(server: ServerRec) {
    this.server = server;
  }

  look(): readonly Election[] {
    const { clock } = this.server.process;
    clock.clearTimer(this.timer);
    this.timer = clock.setTimer(() => this.stop(), WATCHED_MS);
    if (this.cleanups.length === 0) {
      this.cleanups = balancersOfServer(this.server).map((balancer) =>
        watchElections(balancer, (election) => {
          this.kept.push(election);
          if (this.kept.length > KEPT) this.kept.shift();
        }),
      );
    }
    return this.kept;
  }

  private stop(): void {
    for (const cleanup of this.cleanups) cleanup();
    this.cleanups = [];
    this.kept.length = 0;
  }
}

const logs = new WeakMap<ServerRec, ElectionLog>();

/** Of this child, since it was first called; the newest last. It forgets when it is not called for five seconds. */
export function lastElections(server: ServerRec): readonly Election[] {
  let log = logs.get(server);
  if (log === undefined) logs.set(server, (log = new ElectionLog(server)));
  return log.look();
}

/** child_init. */
export function tellElections(process: ProcessRec, _main: ServerRec): void {
  process.siblings.answer(TOPIC, (place) => {
    const server = process.servers.find((one) => getProxyServerState(one)?.place === place);
    return server === undefined ? [] : lastElections(server);
  });
}

/** Of all children. */
export async function electionsEverywhere(server: ServerRec): Promise<readonly Election[]> {
  const own = lastElections(server);
  const others = await server.process.siblings.ask(TOPIC, getProxyServerState(server)?.place);
  const all = [...own, ...(others as Election[][]).flat()];
  return all.sort((a, b) => a.atMs - b.atMs).slice(-KEPT);
}
