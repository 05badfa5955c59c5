/**
 * What a request to the manager selects and changes: nonce and checks.
 * Source: httpd modules/proxy/mod_proxy_balancer.c balancer_process_balancer_worker
 *
 * A value that is out of range is ignored, and the answer is the page all the same: scripts written for httpd rely on it.
 */
import {
  type Action,
  type Actor,
  type AuditEntry,
  atoi,
  type BalancerChange,
  findBalancer,
  forgetOverrides,
  HC_METHODS,
  healthContext,
  type MemberChange,
  matchWorker,
  type Outcome,
  type ProxyBalancer,
  type ProxyWorker,
  parseInterval,
  perform,
  type RequestRec,
  type Status,
  undo,
} from "../../modules/mod.ts";
import { TIMES } from "./action_forms.ts";
import { changeText } from "./detail.ts";
import type { Params } from "./params.ts";

/** httpd's fields have room for so many characters. */
const MAX_NAME = 63;
const MAX_STICKY = 62;
const MAX_METHOD = 14;

export interface Selection {
  readonly balancer: ProxyBalancer | null;
  readonly member: ProxyWorker | null;
}

/**
 * `b` without balancer://, and `w` among its members: a URL below a member's selects it, too, and of a member on a unix
 * socket unix:PATH|URL does as URL.
 */
export function select(r: RequestRec, params: Params): Selection {
  const name = params.get("b");
  const balancer = name === undefined ? null : (findBalancer(r.server, `balancer://${name}`) ?? null);
  const url = params.get("w")?.replace(/^unix:[^|]*\|/i, "");
  const member = balancer === null || url === undefined ? null : (matchWorker(balancer.members, url) ?? null);
  return { balancer, member };
}

/** The status of an error page, or sentences on how it went. */
export type Answer = Status | readonly string[];

/** Does what the parameters say, if the nonce is right. */
export function change(r: RequestRec, params: Params, { balancer, member }: Selection): Answer {
  if (balancer === null || balancer.nonce === "") return [];
  if (params.get("nonce") !== balancer.nonce)
    return params.has("nonce") ? ["Nothing was changed: the form is of before a restart. Send it again."] : [];
  const actor: Actor = { user: r.user, address: r.useragentIp, via: "manager" };
  const notices: string[] = [];
  const note = (outcome: Outcome): Outcome => {
    notices.push("refusal" in outcome ? `Not done: ${outcome.refusal.error}.` : doneText(outcome.entry));
    return outcome;
  };
  const act = (action: Action) => note(perform(r.server, actor, action));
  if (member !== null) {
    r.log.debug("proxy_balancer", "AH01192", "settings worker params");
    const settings = memberChange(r, params, member);
    if (Object.keys(settings).length > 0)
      act({ kind: "set-member", balancer: balancer.name, member: member.displayName, settings });
  }
  own(act, params, balancer, member);
  r.log.debug("proxy_balancer", "AH01193", "settings balancer params");
  if (params.get("sluice") === "undo") note(undo(r.server, actor));
  if (params.get("sluice") === "forget") forgetOverrides(r.server, actor, balancer).forEach(note);
  const settings = balancerChange(r, params, balancer);
  if (Object.keys(settings).length > 0) act({ kind: "set-balancer", balancer: balancer.name, settings });
  const url = params.get("b_nwrkr");
  if (url === undefined || params.get("b_wyes") !== "1") return notices;
  const outcome = act({ kind: "add-member", balancer: balancer.name, url });
  if (!("refusal" in outcome)) return notices;
  const ah = outcome.refusal.status === 400 ? "AH10163" : "AH10164";
  r.log.error("proxy_balancer", ah, `${balancer.name}: failed to add member ${url}: ${outcome.refusal.error}`, {
    client: `${r.useragentIp}:${r.useragentPort}`,
  });
  return 400;
}

/** What httpd's manager cannot do, under a name that it ignores: the buttons below its forms. */
function own(
  act: (action: Action) => unknown,
  params: Params,
  { name }: ProxyBalancer,
  member: ProxyWorker | null,
): void {
  const kind = params.get("sluice");
  if (kind === "reset") act({ kind, balancer: name, member: member?.displayName });
  else if (member !== null && (kind === "recover" || kind === "check" || kind === "remove-member"))
    act({ kind, balancer: name, member: member.displayName });
  if (member !== null && kind === "times") {
    const settings = timesChange(params);
    act({ kind: "set-member", balancer: name, member: member.displayName, settings });
  }
}

/** An empty field: no limit of its own. What is no number of milliseconds is left as it is. */
function timesChange(params: Params): MemberChange {
  const change: MemberChange = {};
  for (const [name, [key]] of Object.entries(TIMES)) {
    const text = params.get(name)?.trim();
    if (text === undefined || !/^\d{0,9}$/.test(text)) continue;
    const ms = Number(text);
    if (key === "retryMs") {
      if (text !== "") change.retryMs = ms;
    } else if (text === "" || ms > 0) change[key] = text === "" ? null : ms;
  }
  return change;
}

/** "Done: set member http://a (draining: now draining)." */
function doneText({ action, changes }: AuditEntry): string {
  const about = "member" in action && action.member !== undefined ? action.member : action.balancer;
  const list = changes.map(changeText).join(", ");
  return `Done: ${action.kind.replaceAll("-", " ")} ${about}${list === "" ? "" : ` (${list})`}.`;
}

const FLAGS = {
  w_status_i: "ignoreErrors",
  w_status_n: "draining",
  w_status_d: "disabled",
  w_status_h: "standby",
  w_status_r: "spare",
  w_status_s: "stopped",
  w_status_c: "checkFailed",
} as const;

function memberChange(r: RequestRec, params: Params, member: ProxyWorker): MemberChange {
  const change: MemberChange = {};
  const loadFactor = hundredths(params.get("w_lf"));
  if (loadFactor >= 100 && loadFactor <= 10_000) change.loadFactor = loadFactor / 100;
  const route = params.get("w_wr");
  if (route !== undefined) change.route = orNothing(route);
  const redirect = params.get("w_rr");
  if (redirect !== undefined) change.redirect = orNothing(redirect);
  for (const [name, key] of Object.entries(FLAGS)) {
    const value = params.get(name);
    if (value !== undefined) change[key] = atoi(value) !== 0;
  }
  const lbset = params.get("w_ls");
  if (lbset !== undefined && atoi(lbset) >= 0 && atoi(lbset) <= 99) change.lbset = atoi(lbset);
  const intervalMs = parseInterval(params.get("w_hi") ?? "", "ms") ?? 0;
  if (intervalMs >= 100) change.checkIntervalMs = intervalMs;
  const passes = atoi(params.get("w_hp") ?? "");
  if (passes >= 1) change.checkPasses = passes;
  const fails = atoi(params.get("w_hf") ?? "");
  if (fails >= 1) change.checkFails = fails;
  const method = HC_METHODS.find((known) => known === params.get("w_hm")?.toUpperCase());
  if (method !== undefined && method !== "PROVIDER") change.checkMethod = method;
  const uri = params.get("w_hu");
  if (uri !== undefined) change.checkUri = orNothing(uri);
  const expr = params.get("w_he");
  if (expr !== undefined) change.checkExpr = knownExpr(r, member, expr);
  const asked = change.checkMethod ?? member.check?.params.method ?? "NONE";
  if ((expr !== undefined || change.checkMethod !== undefined) && /^(NONE|TCP|CPING)$/.test(asked))
    change.checkExpr = "";
  return change;
}

function balancerChange(r: RequestRec, params: Params, balancer: ProxyBalancer): BalancerChange {
  const change: BalancerChange = {};
  const method = params.get("b_lbm") ?? "";
  if (method !== "" && method.length <= MAX_METHOD && r.server.process.providers.has("lbmethod", method))
    change.lbmethod = method;
  const seconds = within(params.get("b_tmo"), 0, 7200);
  if (seconds !== undefined) change.timeoutMs = seconds * 1000;
  const attempts = within(params.get("b_max"), 0, 99);
  if (attempts !== undefined) change.maxAttempts = attempts;
  const force = params.get("b_sforce");
  if (force !== undefined) change.noFailover = atoi(force) !== 0;
  const sticky = params.get("b_ss") ?? "";
  if (sticky !== "" && sticky.length <= MAX_STICKY && balancer.params.stickyCookie === null) {
    const bar = sticky.indexOf("|");
    const cookie = sticky === "-" ? "" : sticky;
    change.stickySession = bar < 0 ? cookie : sticky.slice(0, bar);
    change.stickyPath = bar < 0 ? cookie : sticky.slice(bar + 1);
  }
  return change;
}

function knownExpr(r: RequestRec, member: ProxyWorker, name: string): string {
  const { exprs } = member.check?.context ?? healthContext(r.server);
  return exprs.has(name.toLowerCase()) ? name : "";
}

/** An over-long name deletes what there was, as an empty one does. */
function orNothing(text: string): string {
  return text.length > MAX_NAME ? "" : text;
}

function within(text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = atoi(text);
  return value >= least && value <= most ? value : undefined;
}

/** "2.5" → 250, cut off as httpd cuts; NaN: nothing given. */
function hundredths(text: string | undefined): number {
  return text === undefined ? Number.NaN : Math.trunc((Number.parseFloat(text) || 0) * 100);
}
