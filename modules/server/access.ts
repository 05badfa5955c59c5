/**
 * May the request be served: first by its address, then whoever asks, then by who it is.
 * Source: httpd server/request.c, ap_process_request_internal
 */
import type { RequestRec } from "../core/records.ts";
import { DECLINED, OK, type Status } from "../core/status.ts";
import * as hooks from "./hooks.ts";
import { sectionsEqual } from "./walk.ts";

type Answer = Status | Promise<Status>;

export function checkAccess(r: RequestRec): Answer {
  // Who was refused may have the page that says so, from within the same section.
  const from = r.main ?? r.prev;
  if (from !== null && sectionsEqual(r.perDirConfig, from.perDirConfig)) {
    r.user = from.user;
    r.authType = from.authType;
    return OK;
  }
  const chains = r.server.process.hooks;
  if (hooks.satisfyAny.run(chains, r) === OK) return then(hooks.accessChecker.run(chains, r), eitherWay, r);
  return then(hooks.accessChecker.run(chains, r), bothWays, r);
}

/** `Satisfy Any`: an address that may is enough. */
function eitherWay(r: RequestRec, byAddress: Status): Answer {
  return byAddress === OK ? OK : authorize(r);
}

function bothWays(r: RequestRec, byAddress: Status): Answer {
  return byAddress === OK ? authorize(r) : byAddress;
}

/** Where nothing is required everybody is authorized: so says mod_authz_core, which takes part only where something is. */
function authorize(r: RequestRec): Answer {
  const chains = r.server.process.hooks;
  if (hooks.accessCheckerEx.isEmpty(chains)) return OK;
  return then(hooks.accessCheckerEx.run(chains, r), authenticate, r);
}

function authenticate(r: RequestRec, userless: Status): Answer {
  if (userless !== DECLINED) return userless;
  return then(hooks.checkUserId.run(r.server.process.hooks, r), authorizeUser, r);
}

function authorizeUser(r: RequestRec, checked: Status): Answer {
  if (checked !== OK) return orRefuse(r, checked, "check user");
  if (r.user === null) {
    r.log.error(
      "core",
      "AH00027",
      `No authentication done but request not allowed without authentication for ${r.uri}. Authentication not configured?`,
      r,
    );
    return 500;
  }
  return then(hooks.authChecker.run(r.server.process.hooks, r), mayUser, r);
}

function mayUser(r: RequestRec, status: Status): Status {
  return orRefuse(r, status, "check authorization");
}

/** No module felt responsible: the configuration does not hold together. Source: decl_die */
function orRefuse(r: RequestRec, status: Status, phase: string): Status {
  if (status !== DECLINED) return status;
  r.log.crit("core", "AH00025", `configuration error:  couldn't ${phase}: ${r.uri}`, r);
  return 500;
}

function then(answer: Answer, next: (r: RequestRec, status: Status) => Answer, r: RequestRec): Answer {
  return typeof answer === "number" ? next(r, answer) : answer.then((status) => next(r, status));
}
