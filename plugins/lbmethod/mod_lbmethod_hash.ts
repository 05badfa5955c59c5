/**
 * lbmethod=hash: requests of one key go to one member, as long as that has not more than its share of what is at hand; then to
 * the next on the ring. `hashkey=` says what the key is: address (of the client), path, header:NAME, cookie:NAME.
 * Source: V. Mirrokni, M. Thorup, M. Zadimoghaddam, "Consistent Hashing with Bounded Loads", SODA 2018
 */
import {
  type Candidates,
  COOKIE,
  Counters,
  defineModule,
  type LbMethod,
  lbmethod,
  type ProxyBalancer,
  type ProxyWorker,
  type RequestRec,
  z,
} from "../../modules/mod.ts";
import { Ring } from "./ring.ts";

/** A member may have so many times its even share of the requests at hand. Source: haproxy hash-balance-factor 125, advised there */
const BOUND = 1.25;

export default defineModule({
  name: "mod_lbmethod_hash",
  config: z.object({}),
  registerHooks(hooks) {
    hooks.provider(lbmethod, "hash", (balancer) => new HashMethod(balancer));
  },
});

class HashMethod implements LbMethod {
  private readonly balancer: ProxyBalancer;
  private readonly counters = new Counters();
  private ring: Ring | null = null;
  /** The lbfactors that the ring was made from. */
  private factors: readonly number[] = [];
  private candidates: Candidates | null = null;
  /** By the members' place in the balancer: whether it is a candidate. */
  private eligible = new Uint8Array(0);
  private weight = 0;

  constructor(balancer: ProxyBalancer) {
    this.balancer = balancer;
  }

  finder(candidates: Candidates, r: RequestRec): ProxyWorker {
    if (candidates !== this.candidates) this.take(candidates);
    const ring = this.ring!;
    const { members } = this.balancer;
    const atHand = this.atHand(candidates);
    const first = ring.find(this.keyOf(r));
    for (let point = first; point < first + ring.size; point++) {
      const place = ring.ownerAt(point);
      const member = members[place]!;
      if (this.eligible[place] === 1 && member.s.busy < this.mostOf(member, atHand)) return member;
    }
    return candidates[0]; // only if another child elected meanwhile: together they may have more than all at hand
  }

  figure(member: ProxyWorker, r: RequestRec): string {
    const candidates = this.balancer.electorate.candidates as Candidates;
    if (candidates !== this.candidates) this.take(candidates);
    const key = this.keyOf(r);
    const owner = this.balancer.members[this.ring!.ownerAt(this.ring!.find(key))];
    const belongs = owner === member ? `, key "${key}" belongs here` : "";
    return `busy ${member.s.busy} of at most ${this.mostOf(member, this.atHand(candidates))}${belongs}`;
  }

  reset(): void {
    this.candidates = null;
    this.factors = [];
  }

  private atHand(candidates: Candidates): number {
    const { rows, busy } = this.counters.of(candidates);
    let sum = 0;
    for (let i = 0; i < rows.length; i++) sum += busy[rows[i]!]!;
    return sum;
  }

  private mostOf(member: ProxyWorker, atHand: number): number {
    return Math.ceil((BOUND * (atHand + 1) * member.s.lbfactor) / this.weight);
  }

  private keyOf(r: RequestRec): string {
    const { from, name } = this.balancer.params.hashKey;
    if (from === "path") return r.uri;
    const key = from === "header" ? r.headersIn.get(name) : from === "cookie" ? cookieOf(r, name) : undefined;
    // A request without the header or cookie still has one place to go to.
    return key ?? r.useragentIp;
  }

  private take(candidates: Candidates): void {
    const { members } = this.balancer;
    const factors = members.map(({ s }) => s.lbfactor);
    if (factors.length !== this.factors.length || factors.some((factor, i) => factor !== this.factors[i])) {
      this.ring = new Ring(members);
      this.factors = factors;
    }
    const among = new Set<ProxyWorker>(candidates);
    this.eligible = Uint8Array.from(members, (member) => (among.has(member) ? 1 : 0));
    this.weight = 0;
    for (const { s } of candidates) this.weight += s.lbfactor;
    this.candidates = candidates;
  }
}

/** The value of the first cookie of that name. */
function cookieOf(r: RequestRec, name: string): string | undefined {
  for (let i = r.headersIn.indexOfId(COOKIE); i >= 0; i = r.headersIn.indexOfId(COOKIE, i + 1)) {
    for (const pair of r.headersIn.valueAt(i).split(";")) {
      const equals = pair.indexOf("=");
      if (equals >= 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
    }
  }
  return undefined;
}
