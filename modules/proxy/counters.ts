/**
 * Counters of many members as numbers in one array, so that an election among a thousand takes a microsecond: a loop over
 * `worker.s` takes ten.
 */
import { type ProxyWorker, workerStruct } from "./worker.ts";

/** Places in `f64`, counted from a member's `at`. */
export const LBSTATUS = workerStruct.index("lbstatus");
export const LBFACTOR = workerStruct.index("lbfactor");
export const TRANSFERRED = workerStruct.index("transferred");
export const READ = workerStruct.index("read");
/** Place in `i32`, counted from twice a member's `at`. */
export const BUSY_I32 = 2 * workerStruct.f64Count + workerStruct.index("busy");

const NONE: readonly ProxyWorker[] = [];

export class Counters {
  /** All slots of the balancer: `f64[at[i] + LBSTATUS]` is `members[i].s.lbstatus`. */
  f64: Float64Array = new Float64Array(0);
  /** The same memory: `i32[2 * at[i] + BUSY_I32]` is `members[i].s.busy`. */
  i32: Int32Array = new Int32Array(0);
  at = new Int32Array(0);
  private members = NONE;

  /**
   * Itself, for these members.
   * @param members of one balancer; an array that does not change after it was given
   */
  of(members: readonly ProxyWorker[]): this {
    if (members !== this.members) this.take(members);
    return this;
  }

  private take(members: readonly ProxyWorker[]): void {
    const buffer = members.length === 0 ? new ArrayBuffer(0) : members[0]!.s.f64.buffer;
    if (this.f64.buffer !== buffer) {
      this.f64 = new Float64Array(buffer);
      this.i32 = new Int32Array(buffer);
    }
    this.at = new Int32Array(members.length);
    for (let i = 0; i < members.length; i++) {
      const { f64 } = members[i]!.s;
      if (f64.buffer !== buffer) throw new Error(`${members[i]!.name}: its slot is not with those of its balancer`);
      this.at[i] = f64.byteOffset / 8;
    }
    this.members = members;
  }
}
