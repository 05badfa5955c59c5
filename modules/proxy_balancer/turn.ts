/**
 * Children elect one after the other: two at one moment would read the same lbstatus, and byrequests would elect one member
 * twice. A lock in the slot of the balancer's first member, for about a microsecond.
 */
import type { ProxyBalancer } from "../proxy/balancer.ts";
import { ELECTION, type WorkerSlot } from "../proxy/worker.ts";

/** Looks before it sleeps: longer than an election takes, shorter than a turn of the scheduler. */
const SPINS = 200;
/** Who holds it may have lost its processor. Or its life: then whoever started it unlocks. */
const SLEEP_MS = 1;

/** Waits for this child's turn. @param child its number. @returns what to end it with */
export function beginElection(balancer: ProxyBalancer, child: number): WorkerSlot {
  const { s } = balancer.members[0]!.lead;
  const locks = s.i32[ELECTION]!;
  for (let spins = 0; ; spins++) {
    const holder = Atomics.compareExchange(locks, s.row, 0, child + 1);
    if (holder === 0) return s;
    if (spins >= SPINS) Atomics.wait(locks, s.row, holder, SLEEP_MS);
  }
}

export function endElection({ i32, row }: WorkerSlot): void {
  Atomics.store(i32[ELECTION]!, row, 0);
}
