/**
 * Counters of many members as columns of numbers, so that an election among a thousand takes a microsecond: a loop over
 * `worker.s` takes ten.
 */
import { type ProxyWorker, workerStruct } from "./worker.ts";

const LBSTATUS = workerStruct.index("lbstatus");
const LBFACTOR = workerStruct.index("lbfactor");
const TRANSFERRED = workerStruct.index("transferred");
const READ = workerStruct.index("read");
const BUSY = workerStruct.index("busy");

const NONE: readonly ProxyWorker[] = [];
const NOTHING: Float64Array = new Float64Array(0);

export class Counters {
  /** Where the members are in the columns: `lbstatus[rows[i]]` is `members[i].s.lbstatus`. */
  rows = new Int32Array(0);
  lbstatus = NOTHING;
  lbfactor = NOTHING;
  transferred = NOTHING;
  read = NOTHING;
  busy: Int32Array = new Int32Array(0);
  /** What all of them gain in an election. Kept: a sum is a chain of additions, a third of what an election costs. */
  sumOfLbfactors = 0;
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
    this.rows = new Int32Array(members.length);
    this.sumOfLbfactors = 0;
    for (let i = 0; i < members.length; i++) {
      const { s, name } = members[i]!;
      if (s.f64 !== members[0]!.s.f64) throw new Error(`${name}: its slot is not with those of its balancer`);
      this.rows[i] = s.row;
      this.sumOfLbfactors += s.lbfactor;
    }
    this.members = members;
    if (members.length === 0) return;
    const { f64, i32 } = members[0]!.s;
    this.lbstatus = f64[LBSTATUS]!;
    this.lbfactor = f64[LBFACTOR]!;
    this.transferred = f64[TRANSFERRED]!;
    this.read = f64[READ]!;
    this.busy = i32[BUSY]!;
  }
}
