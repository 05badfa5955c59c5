/**
 * The election: which member serves an attempt. The session's route first, else the lbmethod.
 * Source: httpd modules/proxy/mod_proxy_balancer.c proxy_balancer_pre_request, find_session_route, find_best_worker
 */
import type { Clock } from "../core/clock.ts";
import type { RequestRec, ServerRec } from "../core/records.ts";
import { DECLINED, OK, type Status } from "../core/status.ts";
import type { ProxyAttempt } from "../proxy/attempt.ts";
import type { ProxyBalancer } from "../proxy/balancer.ts";
import type { Candidates } from "../proxy/lbmethod.ts";
import { findBalancer } from "../proxy/server_state.ts";
import type { SessionRoute } from "../proxy/sticky.ts";
import type { Origin } from "../proxy/url.ts";
import { type Election, SHOWN_MEMBERS, tellWatchers } from "../proxy/watch.ts";
import { HOT_STANDBY, type ProxyWorker, retryWorker } from "../proxy/worker.ts";
import { afterSlowStart, findCandidates, lookAtMembers, whyNot } from "./candidates.ts";
import { beginElection, endElection } from "./turn.ts";

const SERVICE_UNAVAILABLE: Status = 503;
const NONE: readonly ProxyWorker[] = [];
const LOG = "proxy_balancer";
const TRACE5 = 12;

/** A route that only its own members may serve, and they cannot. */
const REFUSED = "refused";

/** Elects a member for an attempt and makes its URL the member's. */
export function elect(r: RequestRec, attempt: ProxyAttempt): Status | Promise<Status> {
  if (attempt.origin.scheme !== "balancer") return DECLINED;
  const balancer = balancerOf(r.server, attempt.origin);
  if (balancer === undefined) return DECLINED;
  attempt.balancer = balancer;

  const log = r.log;
  if (!isCurrent(balancer, r)) balancer.recover(wallMs(r.conn.process.clock), log);
  const session = findSession(balancer, r, attempt);
  const chosen = electMember(balancer, r, session, attempt.elected);
  if (chosen === REFUSED) {
    log.error(LOG, "AH01167", `${balancer.name}: All workers are in error state for route (${session!.route})`, r);
    return SERVICE_UNAVAILABLE;
  }
  if (chosen !== null) return take(balancer, r, attempt, session, chosen);
  if (balancer.params.timeoutMs === 0) return nobody(balancer, r);
  return takeLater(balancer, r, attempt, session);
}

/** Of `balancer://user@name:80` the name is what counts, if there is one of that name. Source: httpd proxy_balancer_canon */
function balancerOf(server: ServerRec, { text, host, port, userinfo }: Origin): ProxyBalancer | undefined {
  const plain = port === 0 && userinfo === undefined;
  return (plain ? undefined : findBalancer(server, `balancer://${host}`)) ?? findBalancer(server, text);
}

function takeLater(
  balancer: ProxyBalancer,
  r: RequestRec,
  attempt: ProxyAttempt,
  session: SessionRoute | null,
): Promise<Status> {
  return waitForMember(balancer, r).then((worker) =>
    worker === null ? nobody(balancer, r) : take(balancer, r, attempt, session, worker),
  );
}

/**
 * Never the same member twice for one request while another is left (`retry=0` would bring it back at once); then as
 * httpd elects, which after a forced recovery is any.
 */
function electMember(
  balancer: ProxyBalancer,
  r: RequestRec,
  session: SessionRoute | null,
  tried: readonly ProxyWorker[],
): ProxyWorker | typeof REFUSED | null {
  if (tried.length > 0 && balancer.members.some((member) => !tried.includes(member))) {
    const untried = electAmong(balancer, r, session, tried, false);
    if (untried !== null && untried !== REFUSED) return untried;
    if (!tried.some((member) => member.isUsable)) return untried;
    return electAmong(balancer, r, session, NONE, true);
  }
  return electAmong(balancer, r, session, NONE, false);
}

function electAmong(
  balancer: ProxyBalancer,
  r: RequestRec,
  session: SessionRoute | null,
  tried: readonly ProxyWorker[],
  again: boolean,
): ProxyWorker | typeof REFUSED | null {
  let elected: ProxyWorker | null = null;
  if (session !== null && session.route !== "") {
    elected = findRouteMember(balancer, session.route, r, tried, 1);
    const { electorate, params } = balancer;
    if (elected === null && params.noFailover && electorate.withRoute(session.route) !== undefined) return REFUSED;
  }
  if (elected === null) return electFreely(balancer, r, tried, again);

  const { siblings } = r.conn.process;
  const lead = siblings.count === 1 ? null : beginElection(balancer, siblings.index);
  accountForRoute(balancer, elected);
  if (lead !== null) endElection(lead);
  if (elected.route !== session!.route) {
    r.setEnv("BALANCER_ROUTE_CHANGED", "1");
    r.log.debug(LOG, "AH01162", `Route changed from ${session!.route} to ${elected.route}`);
  }
  return elected;
}

/** The lbmethod's choice. @param again the log has been told that it is asked */
function electFreely(
  balancer: ProxyBalancer,
  r: RequestRec,
  tried: readonly ProxyWorker[],
  again: boolean,
): ProxyWorker | null {
  const log = r.log;
  const { lbmethod, params } = balancer;
  // httpd's heartbeat has its own way through the members, and does not tell it.
  const debug = log.enabled("proxy", 7) && params.lbmethod !== "heartbeat";
  if (debug && !again)
    log.debug("proxy", "AH10122", `proxy: Entering ${params.lbmethod} for BALANCER (${balancer.name})`);
  const found = candidatesFor(balancer, r, tried);
  if (log.enabled(LOG, TRACE5) || log.enabled("proxy", TRACE5)) tellElection(balancer, r, found, tried);
  if (found.length === 0 || lbmethod === null) return null;
  const figures = balancer.electionWatchers === null ? null : watchedStandings(balancer, r, found, tried);
  const { siblings } = r.conn.process;
  const lead = siblings.count === 1 ? null : beginElection(balancer, siblings.index);
  let elected: ProxyWorker | null = null;
  try {
    elected = lbmethod.finder(found as unknown as Candidates, r) ?? null;
    if (elected !== null) elected.s.elected++;
  } finally {
    if (lead !== null) endElection(lead);
  }
  if (figures !== null) tellWatchers(balancer, elected, figures, r);
  if (elected === null) return null;
  if (debug) {
    const { busy, lbstatus } = elected.s;
    log.debug(
      "proxy",
      "AH10123",
      `proxy: ${params.lbmethod} selected worker "${elected.name}" : busy ${busy} : lbstatus ${lbstatus}`,
    );
  }
  if (balancer.hasSessions) r.setEnv("BALANCER_ROUTE_CHANGED", "1");
  return elected;
}

function candidatesFor(balancer: ProxyBalancer, r: RequestRec, tried: readonly ProxyWorker[]): readonly ProxyWorker[] {
  const { electorate } = balancer;
  const { clock } = r.conn.process;
  if (tried.length > 0) return findCandidates(balancer, tried, wallMs(clock), r.log);
  if (!isCurrent(balancer, r)) lookAtMembers(balancer, wallMs(clock), r.log);
  if (electorate.rampUntilMs === 0) return electorate.candidates;
  const nowMs = wallMs(clock);
  return nowMs < electorate.rampUntilMs ? afterSlowStart(electorate.candidates, nowMs) : electorate.candidates;
}

/**
 * Whether the last look at the members still holds: nothing changed since, and no member's time to be retried has come. At
 * debug each election looks anew, and logs of each member in error that it is too soon, as httpd does.
 */
function isCurrent({ electorate }: ProxyBalancer, r: RequestRec): boolean {
  if (electorate.now !== electorate.changes) return false;
  if (electorate.untilMs === Number.POSITIVE_INFINITY) return true;
  return wallMs(r.conn.process.clock) <= electorate.untilMs && !r.log.enabled("proxy", 7);
}

/** How a member stands before an election. */
export interface Standing {
  readonly member: ProxyWorker;
  /** The figure it is judged by, "" if the method has none; null: it is no candidate. */
  readonly figure: string | null;
  /** Why it is no candidate. */
  readonly why: string;
}

/** Each member with the figure it is judged by, or the reason why it is left out. */
export function standings(balancer: ProxyBalancer, r: RequestRec, tried: readonly ProxyWorker[]): readonly Standing[] {
  return standingsOf(balancer, r, candidatesFor(balancer, r, tried), tried);
}

function standingsOf(
  balancer: ProxyBalancer,
  r: RequestRec,
  found: readonly ProxyWorker[],
  tried: readonly ProxyWorker[],
): readonly Standing[] {
  const nowMs = wallMs(r.conn.process.clock);
  return balancer.members.map((member) =>
    found.includes(member)
      ? { member, figure: balancer.lbmethod?.figure?.(member, r) ?? "", why: "" }
      : { member, figure: null, why: whyNot(member, found, tried, nowMs) },
  );
}

/** For who looks at elections; before the method elects, which changes its figures. */
function watchedStandings(
  balancer: ProxyBalancer,
  r: RequestRec,
  found: readonly ProxyWorker[],
  tried: readonly ProxyWorker[],
): Pick<Election, "candidates" | "leftOut"> {
  const all = standingsOf(balancer, r, found, tried);
  return {
    candidates: all
      .filter(({ figure }) => figure !== null)
      .slice(0, SHOWN_MEMBERS)
      .map(({ member, figure }) => ({ member: member.displayName, figure: figure! })),
    leftOut: all
      .filter(({ figure }) => figure === null)
      .slice(0, SHOWN_MEMBERS)
      .map(({ member, why }) => ({ member: member.displayName, why })),
  };
}

/** The story of an election. */
function tellElection(
  balancer: ProxyBalancer,
  r: RequestRec,
  found: readonly ProxyWorker[],
  tried: readonly ProxyWorker[],
): void {
  const log = r.log;
  const module = log.enabled(LOG, TRACE5) ? LOG : "proxy";
  for (const { member, figure, why } of standingsOf(balancer, r, found, tried)) {
    const what =
      figure === null
        ? `is left out: ${why}`
        : `is a candidate of ${balancer.params.lbmethod}${figure === "" ? "" : `: ${figure}`}`;
    const state = `(${member.flags.trim()}, lbset ${member.s.lbset})`;
    log.trace(5, module, `${balancer.name}: ${member.displayName} ${state} ${what}`);
  }
}

/** The route that the request's session asks for. */
function findSession(balancer: ProxyBalancer, r: RequestRec, attempt: ProxyAttempt): SessionRoute | null {
  if (!balancer.hasSessions || balancer.sticky === null) return null;
  const session = balancer.sticky.findRoute(balancer, r, attempt);
  if (session !== null && session.route !== "" && r.log.enabled(LOG, 7)) {
    r.log.debug(LOG, "AH01161", `Found route ${session.route}`, r);
  }
  return session;
}

/**
 * The first usable member with this route, standbys last; for one that is not usable, the member that its `redirect`
 * leads to. Draining members and spares serve their routes, in whatever lbset.
 * @param depth 1, and one more for each redirect followed: as many as there are members, so that a ring of them ends
 */
function findRouteMember(
  balancer: ProxyBalancer,
  route: string,
  r: RequestRec,
  tried: readonly ProxyWorker[],
  depth: number,
): ProxyWorker | null {
  const members = balancer.electorate.withRoute(route);
  if (members === undefined) return null;
  for (let standby = 0; standby < 2; standby++) {
    for (const member of members) {
      if (member.has(HOT_STANDBY) !== (standby === 1)) continue;
      if (!member.isUsable) retryWorker(member, wallMs(r.conn.process.clock), r.log);
      if (member.isUsable && !tried.includes(member)) return member;
      if (member.redirect === "" || depth >= balancer.members.length) continue;
      const other = findRouteMember(balancer, member.redirect, r, tried, depth + 1);
      if (other !== null) return other;
    }
  }
  return null;
}

/** Every usable member gains its lbfactor, the elected one pays the sum: the free elections that follow make up for it. */
function accountForRoute(balancer: ProxyBalancer, elected: ProxyWorker): void {
  elected.s.elected++;
  const usable = balancer.electorate.usable();
  if (balancer.lbmethod?.updateLbStatus !== undefined) {
    balancer.lbmethod.updateLbStatus(elected, usable as unknown as Candidates);
    return;
  }
  const { rows, lbstatus, lbfactor, sumOfLbfactors } = balancer.electorate.counters.of(usable);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    lbstatus[row]! += lbfactor[row]!;
  }
  elected.s.lbstatus -= sumOfLbfactors;
}

/** Looks again every hundredth of the balancer's `timeout`. */
function waitForMember(balancer: ProxyBalancer, r: RequestRec): Promise<ProxyWorker | null> {
  const { clock } = r.conn.process;
  const stepMs = balancer.params.timeoutMs / 100;
  let left = 100;
  return new Promise((resolve, reject) => {
    const look = (): void => {
      try {
        const elected = r.conn.aborted ? null : electFreely(balancer, r, NONE, false);
        if (elected !== null || --left === 0 || r.conn.aborted) resolve(elected);
        else clock.setTimer(look, stepMs);
      } catch (error) {
        reject(error); // a plug-in's method; the hook runner names it
      }
    };
    clock.setTimer(look, stepMs);
  });
}

function take(
  balancer: ProxyBalancer,
  r: RequestRec,
  attempt: ProxyAttempt,
  session: SessionRoute | null,
  worker: ProxyWorker,
): Status {
  attempt.elect(worker);
  if (balancer.lbmethod?.observe !== undefined || worker.meter !== null)
    attempt.electedAtMs = r.conn.process.clock.now();
  attempt.origin = worker.origin;
  if (worker.path !== "") attempt.target = worker.path + attempt.target;
  attempt.session = session;
  r.setEnvSource(attempt);
  if (session !== null) r.noteSource = attempt;
  if (balancer.hasSessions) balancer.sticky?.elected?.(balancer, r, worker);
  if (r.log.enabled(LOG, 7)) {
    r.log.debug(LOG, "AH01172", `${balancer.name}: worker (${worker.name}) rewritten to ${attempt.url}`, r);
  }
  return OK;
}

function nobody(balancer: ProxyBalancer, r: RequestRec): Status {
  if (balancer.members.length > 0) r.log.error(LOG, "AH01170", `${balancer.name}: All workers are in error state`, r);
  else r.log.error(LOG, "AH01171", `${balancer.name}: No workers in balancer`, r);
  return SERVICE_UNAVAILABLE;
}

function wallMs(clock: Clock): number {
  return clock.wallUs() / 1000;
}
