/**
 * The election: which member serves an attempt. The session's route first, else the lbmethod.
 * Source: httpd modules/proxy/mod_proxy_balancer.c proxy_balancer_pre_request, find_session_route, find_best_worker
 */
import type { Clock } from "../core/clock.ts";
import type { RequestRec } from "../core/records.ts";
import { DECLINED, OK, type Status } from "../core/status.ts";
import type { ProxyAttempt } from "../proxy/attempt.ts";
import type { ProxyBalancer } from "../proxy/balancer.ts";
import { findBalancer } from "../proxy/server_state.ts";
import type { SessionRoute } from "../proxy/sticky.ts";
import { HOT_STANDBY, IN_ERROR, type ProxyWorker, retryWorker } from "../proxy/worker.ts";
import { candidates, tellCandidates } from "./candidates.ts";

const SERVICE_UNAVAILABLE: Status = 503;
const NONE: readonly ProxyWorker[] = [];
const LOG = "proxy_balancer";

/** A route that only its own members may serve, and they cannot. */
const REFUSED = "refused";

/** Elects a member for an attempt and makes its URL the member's. */
export function elect(r: RequestRec, attempt: ProxyAttempt): Status | Promise<Status> {
  if (!isBalancerUrl(attempt.url)) return DECLINED;
  const balancer = findBalancer(r.server, attempt.url);
  if (balancer === undefined) return DECLINED;
  attempt.balancer = balancer;

  const log = r.log;
  if (balancer.members.length > 0 && balancer.members[0]!.has(IN_ERROR)) {
    balancer.recover(wallMs(r.conn.process.clock), log);
  }
  const session = findSession(balancer, r, attempt.url);
  const chosen = electMember(balancer, r, session, attempt.elected);
  if (chosen === REFUSED) {
    log.error(LOG, "AH01167", `${balancer.name}: All workers are in error state for route (${session!.route})`);
    return SERVICE_UNAVAILABLE;
  }
  if (chosen !== null) return take(balancer, r, attempt, session, chosen);
  if (balancer.params.timeoutMs === 0) return nobody(balancer, r);
  return takeLater(balancer, r, attempt, session);
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
  if (tried.length > 0) {
    const untried = electAmong(balancer, r, session, tried);
    if (untried !== null && untried !== REFUSED) return untried;
  }
  return electAmong(balancer, r, session, NONE);
}

function electAmong(
  balancer: ProxyBalancer,
  r: RequestRec,
  session: SessionRoute | null,
  tried: readonly ProxyWorker[],
): ProxyWorker | typeof REFUSED | null {
  let elected: ProxyWorker | null = null;
  if (session !== null && session.route !== "") {
    elected = findRouteMember(balancer, session.route, r, tried, 1);
    if (elected === null && balancer.params.noFailover && balancer.hasRoute(session.route)) return REFUSED;
  }
  if (elected === null) return electFreely(balancer, r, tried);

  accountForRoute(balancer, elected);
  if (elected.route !== session!.route) {
    r.setEnv("BALANCER_ROUTE_CHANGED", "1");
    r.log.debug(LOG, "AH01162", `${balancer.name}: Route changed from ${session!.route} to ${elected.route}`);
  }
  return elected;
}

/** The lbmethod's choice. */
function electFreely(balancer: ProxyBalancer, r: RequestRec, tried: readonly ProxyWorker[]): ProxyWorker | null {
  const log = r.log;
  const debug = log.enabled("proxy", 7);
  const method = balancer.params.lbmethod;
  if (debug) log.debug("proxy", "AH10122", `Entering ${method} for BALANCER (${balancer.name})`);
  const nowMs = anyInError(balancer) ? wallMs(r.conn.process.clock) : 0;
  const found = candidates(balancer, tried, nowMs, log);
  if (log.enabled(LOG, 12)) tellCandidates(balancer, found, tried, nowMs, log);
  if (found.length === 0 || balancer.lbmethod === null) return null;
  const elected = balancer.lbmethod.finder(found as [ProxyWorker, ...ProxyWorker[]], r);
  elected.s.elected++;
  if (debug) {
    const { busy, lbstatus } = elected.s;
    log.debug("proxy", "AH10123", `${method} selected worker "${elected.name}" : busy ${busy} : lbstatus ${lbstatus}`);
  }
  if (balancer.hasSessions) r.setEnv("BALANCER_ROUTE_CHANGED", "1");
  return elected;
}

/** The route that the request's session asks for. */
function findSession(balancer: ProxyBalancer, r: RequestRec, url: string): SessionRoute | null {
  if (!balancer.hasSessions || balancer.sticky === null) return null;
  const session = balancer.sticky.findRoute(balancer, r, url);
  if (session !== null && session.route !== "" && r.log.enabled(LOG, 7)) {
    r.log.debug(LOG, "AH01161", `${balancer.name}: Found route ${session.route}`);
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
  for (let standby = 0; standby < 2; standby++) {
    for (const member of balancer.members) {
      if (member.route !== route || member.has(HOT_STANDBY) !== (standby === 1)) continue;
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
  if (balancer.lbmethod?.updateLbStatus !== undefined) {
    balancer.lbmethod.updateLbStatus(
      elected,
      balancer.members.filter((member) => member.isUsable),
    );
    return;
  }
  let total = 0;
  for (const member of balancer.members) {
    if (!member.isUsable) continue;
    member.s.lbstatus += member.s.lbfactor;
    total += member.s.lbfactor;
  }
  elected.s.lbstatus -= total;
}

/** Looks again every hundredth of the balancer's `timeout`. */
function waitForMember(balancer: ProxyBalancer, r: RequestRec): Promise<ProxyWorker | null> {
  const { clock } = r.conn.process;
  const stepMs = balancer.params.timeoutMs / 100;
  let left = 100;
  return new Promise((resolve, reject) => {
    const look = (): void => {
      try {
        const elected = r.conn.aborted ? null : electFreely(balancer, r, NONE);
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
  worker.incrementBusy();
  attempt.elected.push(worker);
  attempt.worker = worker;
  const slash = attempt.url.indexOf("/", 11);
  attempt.url = slash < 0 ? worker.name : worker.name + attempt.url.slice(slash);
  attempt.session = session;
  r.setEnvSource(attempt);
  if (balancer.hasSessions) balancer.sticky?.elected?.(balancer, r, worker);
  if (r.log.enabled(LOG, 7)) {
    r.log.debug(LOG, "AH01172", `${balancer.name}: worker (${worker.name}) rewritten to ${attempt.url}`);
  }
  return OK;
}

function nobody(balancer: ProxyBalancer, r: RequestRec): Status {
  if (balancer.members.length > 0) r.log.error(LOG, "AH01170", `${balancer.name}: All workers are in error state`);
  else r.log.error(LOG, "AH01171", `${balancer.name}: No workers in balancer`);
  return SERVICE_UNAVAILABLE;
}

function anyInError(balancer: ProxyBalancer): boolean {
  for (const member of balancer.members) if (member.has(IN_ERROR)) return true;
  return false;
}

function isBalancerUrl(url: string): boolean {
  return url.startsWith("balancer://") || /^balancer:\/\//i.test(url);
}

function wallMs(clock: Clock): number {
  return clock.wallUs() / 1000;
}
