/**
 * What sluice's manager shows besides httpd's tables: where a member's state comes from, its checks, who changed what; and
 * buttons for what httpd's forms cannot do.
 */
import {
  type AuditEntry,
  auditLog,
  type BalancerState,
  type Finding,
  type MemberState,
  type ProxyBalancer,
  type ProxyWorker,
  type RequestRec,
  serverOrigin,
} from "../../modules/mod.ts";
import { conditionOf } from "./condition.ts";
import { esc, formUrl, gridTable, hidden } from "./html.ts";

const SHOWN_CHECKS = 3;
const SHOWN_CHANGES = 10;

const COLUMNS = ["Member", "Configured", "Changed", "Observed", "Share", "Pool", "Traffic", "Last health checks"];

/** Colours a member's rows. */
export function memberClass(member: MemberState): string {
  return member.drained ? `${conditionOf(member)} drained` : conditionOf(member);
}

/** Configured, administrative and observed state side by side. */
export function detailTable({ name, members }: BalancerState): string {
  const rows = members.map((member) => {
    const cells = [
      esc(member.url),
      esc(member.configured || "-"),
      esc(changedText(member)),
      observedText(member),
      percent(member.share),
      poolText(member),
      `${member.elected} elected`,
      checksText(member),
    ];
    return [` class="${memberClass(member)}" data-member="${esc(member.url)}"`, cells] as const;
  });
  return gridTable("detail", ` data-balancer="${esc(name)}"`, `State of ${esc(name)}`, COLUMNS, rows);
}

function changedText({ administrative: { set, cleared }, added }: MemberState): string {
  const parts = [set === "" ? "" : `+${set}`, cleared === "" ? "" : `-${cleared}`, added ? "added" : ""];
  return parts.filter((part) => part !== "").join(" ") || "-";
}

function observedText({ observed, usable, drained, busy }: MemberState): string {
  const parts: string[] = [];
  if (observed.error !== null) parts.push(`in error${findingText(observed.error)}`);
  if (observed.check !== null) parts.push(`fails its checks${findingText(observed.check)}`);
  if (observed.panic) parts.push("panic: checks are not heeded");
  if (drained) parts.push("drained");
  else if (busy > 0) parts.push(`${busy} at hand`);
  return parts.length > 0 ? parts.join("; ") : usable ? "usable" : "not usable";
}

function findingText({ sinceMs, untilMs, reason }: Finding): string {
  const since = sinceMs > 0 ? ` since ${time(sinceMs)}` : "";
  const until = untilMs === null ? "" : `, retried after ${time(untilMs)}`;
  return `${since}${until}${reason === "" ? "" : `: ${esc(reason)}`}`;
}

function poolText({ pool: { inUse, idle, waiting, max } }: MemberState): string {
  return `${inUse} used, ${idle} idle, ${waiting} wait${max === null ? "" : `, max ${max}`}`;
}

function checksText({ check }: MemberState): string {
  const results = check?.results.slice(-SHOWN_CHECKS).reverse() ?? [];
  if (results.length === 0) return "-";
  const lines = results.map(({ passed, atMs, tookMs, reason }) => {
    return `${passed ? "passed" : "failed"} ${time(atMs)} (${Math.round(tookMs)} ms): ${esc(reason)}`;
  });
  return lines.join("<br>");
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

/** "16:55:06", UTC. */
function time(ms: number): string {
  return new Date(ms).toISOString().slice(11, 19);
}

/** What a form is about, and the right to send it. */
export function target(balancer: ProxyBalancer, member: ProxyWorker | null): string {
  return (
    (member === null ? "" : hidden("w", formUrl(member.name))) +
    hidden("b", formUrl(balancer.name.slice("balancer://".length))) +
    hidden("nonce", balancer.nonce)
  );
}

export function actionForms(r: RequestRec, balancer: ProxyBalancer, member: ProxyWorker | null): string {
  const actions: [kind: string, label: string][] = [["reset", "Reset counters"]];
  if (member !== null) {
    actions.push(["recover", "Recover now"], ["check", "Check now"]);
    if (member.added) actions.push(["remove-member", "Remove"]);
  }
  return actionForm(r, target(balancer, member), actions);
}

function actionForm(
  r: RequestRec,
  about: string,
  actions: readonly (readonly [kind: string, label: string])[],
): string {
  const buttons = actions.map(([kind, label]) => `<button name="sluice" value="${kind}">${label}</button>`);
  const action = esc(serverOrigin(r) + r.encodedUri);
  return `<form method="POST" action="${action}" class="actions">${about}${buttons.join(" ")}</form>\n`;
}

/** The last changes. Whoever may change a balancer may take back the last one. */
export function auditTable(r: RequestRec, balancers: readonly ProxyBalancer[]): string {
  const log = auditLog(r.server.process);
  const entries = log.of(r.server).slice(0, SHOWN_CHANGES);
  if (entries.length === 0) return "";
  const last = log.lastUndoable(r.server);
  const balancer = balancers.find(({ name }) => name === last?.action.balancer);
  const undo = balancer === undefined ? "" : actionForm(r, target(balancer, null), [["undo", "Undo the last change"]]);
  const rows = entries.map((entry) => ["", auditCells(entry)] as const);
  return gridTable("audit", "", "Last changes", ["When", "Who", "What", "Changes", "Undone"], rows) + undo;
}

function auditCells({ atMs, actor, action, changes, undoneBy }: AuditEntry): string[] {
  const member = "member" in action ? ` ${action.member ?? ""}` : "";
  const list = changes.map(({ name, before, after }) => `${name}: ${before ?? "none"} to ${after ?? "none"}`);
  return [
    `${new Date(atMs).toISOString().slice(0, 19)}Z`,
    esc(`${actor.user ?? ""} ${actor.address} ${actor.via}`.trim()),
    esc(`${action.kind} ${action.balancer}${member}`),
    esc(list.join(", ")),
    undoneBy === null ? "" : `by ${undoneBy}`,
  ];
}
