/** Forms for what httpd's manager cannot do, and the list of what was done. */
import {
  type AuditEntry,
  auditLog,
  memberSettings,
  overridesOf,
  type ProxyBalancer,
  type ProxyWorker,
  type RequestRec,
  serverOrigin,
} from "../../modules/mod.ts";
import { changeText } from "./detail.ts";
import { esc, formUrl, gridTable, hidden } from "./html.ts";

const SHOWN_CHANGES = 10;

/** What a form is about, and the right to send it. */
export function target(balancer: ProxyBalancer, member: ProxyWorker | null): string {
  return (
    (member === null ? "" : hidden("w", formUrl(member.name))) +
    hidden("b", formUrl(balancer.name.slice("balancer://".length))) +
    hidden("nonce", balancer.nonce)
  );
}

export function actionForms(r: RequestRec, balancer: ProxyBalancer, member: ProxyWorker | null): string {
  const actions: [kind: string, label: string][] = [];
  if (member !== null) {
    actions.push(["recover", "Recover now"], ["check", "Check now"]);
    if (member.added) actions.push(["remove-member", "Remove this member"]);
  } else if (overridesOf(balancer).length > 0) actions.push(["forget", "Forget all changes"]);
  actions.push(["reset", "Reset counters"]);
  const form = actionForm(r, target(balancer, member), "", actions);
  return member === null ? form : timesForm(r, balancer, member) + form;
}

/** Fields of the form for times; the names are sluice's, and httpd's manager would ignore them. */
export const TIMES = {
  sluice_retry: ["retryMs", "Retry (ms)"],
  sluice_timeout: ["timeoutMs", "Time-out (ms)"],
  sluice_connect: ["connectionTimeoutMs", "To connect (ms)"],
  sluice_acquire: ["acquireMs", "For a pool place (ms)"],
} as const;

function timesForm(r: RequestRec, balancer: ProxyBalancer, member: ProxyWorker): string {
  const settings = memberSettings(member);
  const fields = Object.entries(TIMES).map(([name, [key, label]]) => {
    const value = settings[key] ?? "";
    return `<label for="${name}">${label}<input type="text" inputmode="numeric" name="${name}" id="${name}" value="${value}"></label>`;
  });
  return actionForm(r, target(balancer, member), fields.join("\n"), [["times", "Set times"]]);
}

function actionForm(
  r: RequestRec,
  about: string,
  fields: string,
  actions: readonly (readonly [kind: string, label: string])[],
): string {
  const buttons = actions.map(([kind, label]) => `<button name="sluice" value="${kind}">${label}</button>`);
  const action = esc(serverOrigin(r) + r.encodedUri);
  return `<form method="POST" action="${action}" class="actions">${about}${fields}${buttons.join(" ")}</form>\n`;
}

/** The last changes. Whoever may change a balancer may take back the last one. */
export function auditTable(r: RequestRec, balancers: readonly ProxyBalancer[]): string {
  const log = auditLog(r.server.process);
  const entries = log.of(r.server).slice(0, SHOWN_CHANGES);
  if (entries.length === 0) return "";
  const last = log.lastUndoable(r.server);
  const balancer = balancers.find(({ name }) => name === last?.action.balancer);
  const undo =
    balancer === undefined ? "" : actionForm(r, target(balancer, null), "", [["undo", "Undo the last change"]]);
  const rows = entries.map((entry) => ["", auditCells(entry)] as const);
  const titles = ["When", "Who", "What", "Changes", "Undone"];
  return `<section>${gridTable("audit", "", "Last changes", titles, rows)}${undo}</section>\n`;
}

function auditCells({ id, atMs, actor, action, changes, undoneBy }: AuditEntry): string[] {
  const member = "member" in action ? ` ${action.member ?? ""}` : "";
  return [
    `${new Date(atMs).toISOString().slice(0, 19).replace("T", " ")} UTC`,
    esc(`${actor.user ?? ""} ${actor.address} by ${actor.via}`.trim()),
    esc(`${id}: ${action.kind.replaceAll("-", " ")} ${action.balancer}${member}`),
    changes.map((change) => esc(changeText(change))).join("<br>"),
    undoneBy === null ? "" : `by ${undoneBy}`,
  ];
}
