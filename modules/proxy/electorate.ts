/**
 * What elections know of a balancer's members, kept until something that decides it changes: a thousand members must not be
 * looked at for each request.
 */
import { Counters } from "./counters.ts";
import type { ProxyWorker } from "./worker.ts";

const NO_ROUTES: ReadonlyMap<string, readonly ProxyWorker[]> = new Map();

export class Electorate {
  /** Who may be elected freely; another array after each look. */
  candidates: readonly ProxyWorker[] = [];
  /** Wall clock, ms: until then `slowstart` holds some candidate back; 0: none. */
  rampUntilMs = 0;
  /** The members' `changes` at the last look that found candidates; -1: there was none. */
  changes = -1;
  /** Wall clock, ms: after it a member that is in error may be back. */
  untilMs = Number.POSITIVE_INFINITY;
  /** Of `usable()`. */
  readonly counters = new Counters();
  private usableMembers: readonly ProxyWorker[] = [];
  private usableChanges = -1;
  private routes = NO_ROUTES;
  private routesChanges = -1;
  private readonly members: readonly ProxyWorker[];

  /** @param members of the balancer, which may become more */
  constructor(members: readonly ProxyWorker[]) {
    this.members = members;
  }

  /** Moves when the candidates may be others. */
  get now(): number {
    return this.members.length === 0 ? 0 : this.members[0]!.changes;
  }

  /** All that are usable, in whatever role; another array when they are others. */
  usable(): readonly ProxyWorker[] {
    const { now } = this;
    if (now !== this.usableChanges) {
      this.usableMembers = this.members.filter((member) => member.isUsable);
      this.usableChanges = now;
    }
    return this.usableMembers;
  }

  /** The members with this route, in whatever state; in order. */
  withRoute(route: string): readonly ProxyWorker[] | undefined {
    const { now } = this;
    if (now !== this.routesChanges) {
      const routes = new Map<string, ProxyWorker[]>();
      for (const member of this.members) {
        const others = routes.get(member.route);
        if (others === undefined) routes.set(member.route, [member]);
        else others.push(member);
      }
      this.routes = routes;
      this.routesChanges = now;
    }
    return this.routes.get(route);
  }
}
