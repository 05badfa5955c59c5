/**
 * The manager's page as httpd has it: tables and forms, with the same names, columns and links. What sluice adds comes in
 * tables of its own (detail.ts), so that programs that read httpd's page read this one.
 * Source: httpd modules/proxy/mod_proxy_balancer.c balancer_display_page
 */
import {
  type BalancerState,
  balancerState,
  balancersOfServer,
  configLines,
  core,
  getModuleConfig,
  getProxyConfig,
  HC_METHODS,
  healthContext,
  humanSize,
  lbmethod,
  type MemberState,
  memberSettings,
  type ProxyBalancer,
  type ProxyWorker,
  type RequestRec,
  SERVER_BUILT,
  serverNameForUrl,
  serverOrigin,
  serverToken,
  signature,
} from "../../modules/mod.ts";
import { actionForms, auditTable, target } from "./action_forms.ts";
import type { Selection } from "./changes.ts";
import { configBlock, detailTable, memberClass } from "./detail.ts";
import { esc, formRow, headRow, input, linkUrl, onOff, row, scrollBox, select } from "./html.ts";

const BALANCER_COLUMNS = [
  "MaxMembers",
  "StickySession",
  "DisableFailover",
  "Timeout",
  "FailoverAttempts",
  "Method",
  "Path",
  "Active",
];
const MEMBER_COLUMNS = [
  "Worker URL",
  "Route",
  "RouteRedir",
  "Factor",
  "Set",
  "Status",
  "Elected",
  "Busy",
  "Load",
  "To",
  "From",
];
const CHECK_COLUMNS = ["HC Method", "HC Interval", "Passes", "Fails", "HC uri", "HC Expr"];

/** httpd's lists have terms alone, which no list may. */
const NO_DD = "<dd hidden></dd>";

/** @param persists whether changes outlive a restart; @param notices how what was asked for went */
export function managerPage(r: RequestRec, selected: Selection, persists: boolean, notices: readonly string[]): string {
  const balancers = balancersOfServer(r.server);
  const states = balancers.map((balancer) => balancerState(r.server, balancer));
  return (
    pageHead(r, persists) +
    notices.map((notice) => `<p class="notice" role="status">${esc(notice)}</p>\n`).join("") +
    balancers.map((balancer, i) => balancerSection(r, balancer, states[i]!, i)).join("") +
    exprTable(r) +
    editForm(r, selected) +
    `<div class="live" id="changes">${auditTable(r, balancers)}</div>\n` +
    `</main><p id="live" role="status" aria-live="polite"></p>\n${signature(r)}</body></html>\n`
  );
}

function pageHead(r: RequestRec, persists: boolean): string {
  const conf = getProxyConfig(r.server.config);
  const inherited = (what: string, on: boolean) =>
    `<dt>${what} are ${on ? "" : "NOT "}inherited from main server.</dt>${NO_DD}`;
  return `<!DOCTYPE html>
<html lang="en"><head><title>Balancer Manager</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${esc(r.encodedUri)}?asset=style.css">
<script src="${esc(r.encodedUri)}?asset=live.js" defer></script>
</head>
<body><main><h1>Load Balancer Manager for ${esc(serverNameForUrl(r))}</h1>

<dl><dt>Server Version: ${esc(serverToken(getModuleConfig(r.server.config, core)))}</dt>${NO_DD}
<dt>Server Built: ${esc(SERVER_BUILT)}</dt>${NO_DD}
<dt>Balancer changes will ${persists ? "" : "NOT "}be persisted on restart.</dt>${NO_DD}${
    inherited("Balancers", conf.balancerInherit) + inherited("ProxyPass settings", conf.passInherit)
  }</dl>
${staleNotice(r)}`;
}

/** An operator must not take what serves for what is in the file. */
function staleNotice(r: RequestRec): string {
  const { reason, atUs } = r.server.process.failedReloads;
  if (reason === null) return "";
  const when = new Date(atUs / 1000).toUTCString();
  return `<p role="alert">The configuration that was read ${when} is broken, and the one before goes on:</p>\n<pre>${esc(reason)}</pre>\n`;
}

function balancerSection(r: RequestRec, balancer: ProxyBalancer, state: BalancerState, index: number): string {
  const { settings } = state;
  const name = nameOf(state);
  const link = `${r.encodedUri}?b=${linkUrl(name)}&nonce=${balancer.nonce}`;
  const used = `${state.maxMembers} [${state.members.length} Used]`;
  const figures = [
    used,
    esc(stickyText(state)),
    settings.noFailover ? "On" : "Off",
    Math.floor(settings.timeoutMs / 1000),
    settings.maxAttempts,
    esc(settings.lbmethod),
    esc(state.path),
    "Yes",
  ];
  const members = balancer.members.map((member, i) => memberRow(r, balancer, member, state.members[i]!));
  return `<hr>
<section class="live" id="balancer${index}"><h3>LoadBalancer Status for <a href="${esc(link)}">${esc(state.name)}</a> [${esc(internalId(r, name))}]</h3>


${scrollBox(
  `Settings of ${esc(state.name)}`,
  `<table class="balancer">${headRow(BALANCER_COLUMNS)}
${row(figures)}
</table>`,
)}
<br>

${scrollBox(
  `Members of ${esc(state.name)}`,
  `<table class="members" data-balancer="${esc(state.name)}">${headRow([...MEMBER_COLUMNS, ...CHECK_COLUMNS])}
${members.join("\n")}
</table>`,
)}
${detailTable(state)}${configBlock(state, configLines(balancer))}</section>
`;
}

/** Stands for httpd's name of the shared memory. */
function internalId(r: RequestRec, name: string): string {
  const { hostname, port } = r.server;
  return `p${r.server.process.host.digest("md5", `${hostname}:${port}`).slice(0, 8)}_${name}`;
}

function memberRow(r: RequestRec, balancer: ProxyBalancer, member: ProxyWorker, state: MemberState): string {
  const name = balancer.name.slice("balancer://".length);
  const link = `${r.encodedUri}?b=${linkUrl(name)}&w=${linkUrl(member.name)}&nonce=${balancer.nonce}`;
  const shown = member.unixPath === null ? esc(state.url) : `<i>${esc(state.url)}</i>`;
  const { settings, check } = state;
  const cells = [
    `<a href="${esc(link)}">${shown}</a>`,
    esc(settings.route),
    esc(settings.redirect),
    settings.loadFactor.toFixed(2),
    settings.lbset,
    esc(state.status),
    state.elected,
    state.busy,
    state.lbstatus,
    humanSize(state.transferred),
    humanSize(state.read),
    esc(settings.checkMethod),
    `${settings.checkIntervalMs}ms`,
    `${settings.checkPasses} (${check?.passed ?? 0})`,
    `${settings.checkFails} (${check?.failed ?? 0})`,
    esc(settings.checkUri),
    esc(settings.checkExpr),
  ];
  return row(cells, ` class="${memberClass(state)}" data-member="${esc(state.url)}"`);
}

function exprTable(r: RequestRec): string {
  const exprs = [...healthContext(r.server).exprs];
  if (exprs.length === 0) return "<hr>\n";
  const rows = exprs.map(([name, { text }]) => row([esc(name), esc(text)]));
  return `<hr>
<section><table><tr><th colspan="2">Health check cond. expressions:</th></tr>
${headRow(["Expr name", "Expression"])}
${rows.join("\n")}
</table></section><hr>
`;
}

function editForm(r: RequestRec, { balancer, member }: Selection): string {
  if (balancer === null) return "";
  const form = member === null ? balancerForm(r, balancer) : memberForm(r, balancer, member);
  return `<section id="edit">${form}</section>\n`;
}

function memberForm(r: RequestRec, balancer: ProxyBalancer, member: ProxyWorker): string {
  const settings = memberSettings(member);
  const flags: readonly (readonly [title: string, name: string, on: boolean])[] = [
    ["Ignore Errors", "w_status_I", settings.ignoreErrors],
    ["Draining Mode", "w_status_N", settings.draining],
    ["Disabled", "w_status_D", settings.disabled],
    ["Hot Standby", "w_status_H", settings.standby],
    ["Hot Spare", "w_status_R", settings.spare],
    ["HC Fail", "w_status_C", settings.checkFailed],
    ["Stopped", "w_status_S", settings.stopped],
  ];
  const methods = HC_METHODS.filter((method) => method !== "PROVIDER" || settings.checkMethod.startsWith("PROVIDER"));
  const exprs = (member.check?.context ?? healthContext(r.server)).exprs;
  return (
    `<h3>Edit worker settings for ${esc(member.displayName)}</h3>\n${formStart(r, member.displayName)}` +
    formRow("Load factor:", input("w_lf", settings.loadFactor.toFixed(2)), "w_lf") +
    formRow("LB Set:", input("w_ls", settings.lbset), "w_ls") +
    formRow("Route:", input("w_wr", settings.route), "w_wr") +
    formRow("Route Redirect:", input("w_rr", settings.redirect), "w_rr") +
    formRow(
      "Status:",
      `<table>${headRow(flags.map(([title]) => title))}\n${row(flags.map(([title, name, on]) => onOff(name, title, on)))}</table>`,
    ) +
    `<tr><td colspan="2">\n<table>${headRow(["Health Check param", "Value"])}\n` +
    formRow("Method", select("w_hm", methods, settings.checkMethod.replace(/:.*/, "")), "w_hm") +
    formRow("Expr", select("w_he", exprs.size === 0 ? [] : ["", ...exprs.keys()], settings.checkExpr), "w_he") +
    formRow("Interval (ms)", input("w_hi", settings.checkIntervalMs), "w_hi") +
    formRow("Passes trigger", input("w_hp", settings.checkPasses), "w_hp") +
    formRow("Fails trigger", input("w_hf", settings.checkFails), "w_hf") +
    formRow("HC uri", input("w_hu", settings.checkUri), "w_hu") +
    `</table>\n</td></tr>\n${formEnd(balancer, member)}${actionForms(r, balancer, member)}<hr>\n`
  );
}

function balancerForm(r: RequestRec, balancer: ProxyBalancer): string {
  const state = balancerState(r.server, balancer);
  const { settings } = state;
  const sticky = settings.stickySession === "" ? "" : stickyText(state);
  const add =
    `${input("b_nwrkr", "", 32)} Are you sure? ` +
    `<input name="b_wyes" id="b_wyes" type="checkbox" value="1" aria-label="Are you sure to add a worker?">`;
  return (
    `<h3>Edit balancer settings for ${esc(balancer.name)}</h3>\n${formStart(r, "")}` +
    formRow("LBmethod:", select("b_lbm", r.server.process.providers.names(lbmethod), settings.lbmethod), "b_lbm") +
    formRow("Timeout:", input("b_tmo", Math.floor(settings.timeoutMs / 1000)), "b_tmo") +
    formRow("Failover Attempts:", input("b_max", settings.maxAttempts), "b_max") +
    formRow("Disable Failover:", onOff("b_sforce", "Disable Failover", settings.noFailover)) +
    formRow("Sticky Session:", `${input("b_ss", sticky, 64)} (Use '-' to delete)`, "b_ss") +
    (balancer.spareSlots.length > 0 ? formRow("Add New Worker:", add, "b_nwrkr") : "") +
    `${formEnd(balancer, null)}${actionForms(r, balancer, null)}<hr>\n`
  );
}

function formStart(r: RequestRec, member: string): string {
  const action = esc(serverOrigin(r) + r.encodedUri);
  const about = member === "" ? "" : ` data-member="${esc(member)}"`;
  return `<form method="POST" enctype="application/x-www-form-urlencoded" action="${action}"${about} class="edit">\n<table>`;
}

function formEnd(balancer: ProxyBalancer, member: ProxyWorker | null): string {
  return (
    `<tr><td colspan="2"><input type="submit" value="Submit"></td></tr>\n</table>\n` +
    `<p class="preview" aria-live="polite"></p>\n${target(balancer, member)}</form>\n`
  );
}

function stickyText({ settings: { stickySession, stickyPath } }: BalancerState): string {
  if (stickySession === "") return " (None) ";
  return stickyPath === "" || stickyPath === stickySession ? stickySession : `${stickySession}|${stickyPath}`;
}

function nameOf({ name }: BalancerState): string {
  return name.slice("balancer://".length);
}
