/**
 * The status page for people.
 * Source: httpd modules/generators/mod_status.c status_handler; modules/proxy/mod_proxy.c proxy_status_hook
 */
import { type BalancerState, escapeHtml, humanSize, type RequestRec, signature } from "../../modules/mod.ts";
import type { ChildFigures, Counts, Figures, ScoreLetter, SlotFigures } from "./figures.ts";
import { byteText, durationText, kilobyteText, longTime, shortest } from "./format.ts";

const SCORE_LINE = 64;
/** Characters of a request line that are shown. */
const SHOWN_REQUEST = 63;

export interface PageOptions {
  readonly name: string;
  readonly extended: boolean;
  /** Details as a table, or as paragraphs. */
  readonly table: boolean;
  /** Of a long request line the end, not the begin. */
  readonly tail: boolean;
  /** null: ProxyStatus is off. */
  readonly balancers: readonly BalancerState[] | null;
}

export function statusPage(r: RequestRec, f: Figures, options: PageOptions): string {
  const name = escapeHtml(options.name);
  return (
    `<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd">
<html><head>
<title>Apache Status</title>
</head><body>
<h1>Apache Server Status for ${name} (via ${escapeHtml(r.conn.localIp || "unix")})</h1>

<dl><dt>Server Version: ${escapeHtml(f.version)}</dt>
<dt>Server MPM: event</dt>
<dt>Server Built: ${f.built}
</dt></dl><hr /><dl>
${summary(f, options.extended)}</dl>

${processTable(f)}<pre>${scoreLines(f.scoreboard)}</pre>
${SCORE_KEY}` +
    (options.extended ? details(f, options) : pidKey(f) + EXTENDED_NOTE) +
    (options.balancers === null ? "" : balancerTables(options.balancers)) +
    `${signature(r)}</body></html>\n`
  );
}

function summary(f: Figures, extended: boolean): string {
  const lines = [
    `Current Time: ${longTime(f.nowUs)}`,
    `Restart Time: ${longTime(f.startedUs)}`,
    `Parent Server Config. Generation: ${f.generation + 1}`,
    `Parent Server MPM Generation: ${f.generation}`,
    `Server uptime:  ${durationText(f.uptime)}`,
    `Server load: ${f.load.map((load) => load.toFixed(2)).join(" ")}`,
  ];
  if (extended) lines.push(...traffic(f));
  lines.push(
    `${f.busy} requests currently being processed, ${f.graceful} workers gracefully restarting, ${f.idle} idle workers`,
  );
  return lines.map((line) => `<dt>${line}</dt>\n`).join("");
}

function traffic({ accesses, kilobytes, durationMs, cpu, uptime }: Figures): string[] {
  const used = cpu.user + cpu.system;
  const load = used > 0 && uptime > 0 ? ` - ${shortest((used / uptime) * 100)}% CPU load` : "";
  const bytes = 1024 * kilobytes;
  const rates: string[] = [];
  if (uptime > 0) rates.push(`${shortest(accesses / uptime)} requests/sec`, `${byteText(bytes / uptime)}/second`);
  if (accesses > 0)
    rates.push(`${byteText(bytes / accesses)}/request`, `${shortest(durationMs / accesses)} ms/request`);
  return [
    `Total accesses: ${accesses} - Total Traffic: ${kilobyteText(kilobytes)} - Total Duration: ${durationMs}`,
    `CPU Usage: u${shortest(cpu.user)} s${shortest(cpu.system)} cu0 cs0${load}`,
    ...(rates.length > 0 ? [rates.join(" - ")] : []),
  ];
}

function processTable(f: Figures): string {
  const counts = (of: Counts, accepting: string) =>
    cells([of.connections, accepting, of.busy, of.graceful, of.idle, of.waitIo, of.writing, of.keepAlive, of.closing]);
  const rows = f.children.map((child) => {
    const [stopping, accepting] = child.stopping ? ["yes", "no"] : ["no", "yes"];
    return `<tr>${cells([child.index, f.pid, stopping])}${counts(child, accepting)}</tr>\n`;
  });
  return `<table rules="all" cellpadding="1%">
<tr><th rowspan="2">Slot</th><th rowspan="2">PID</th><th rowspan="2">Stopping</th><th colspan="2">Connections</th>
<th colspan="3">Threads</th><th colspan="4">Async connections</th></tr>
<tr><th>total</th><th>accepting</th><th>busy</th><th>graceful</th><th>idle</th><th>wait-io</th><th>writing</th><th>keep-alive</th><th>closing</th></tr>
${rows.join("")}<tr>${cells(["Sum", f.children.length, f.stopping])}${counts(f, "&nbsp;")}</tr>
</table>
`;
}

function scoreLines(scoreboard: string): string {
  const lines: string[] = [];
  for (let i = 0; i < scoreboard.length; i += SCORE_LINE) lines.push(scoreboard.slice(i, i + SCORE_LINE));
  return lines.join("\n");
}

const SCORE_KEY = `<p>Scoreboard Key:<br />
"<b><code>_</code></b>" Waiting for Connection,
"<b><code>S</code></b>" Starting up,
"<b><code>R</code></b>" Reading Request,<br />
"<b><code>W</code></b>" Sending Reply,
"<b><code>K</code></b>" Keepalive (read),
"<b><code>D</code></b>" DNS Lookup,<br />
"<b><code>C</code></b>" Closing connection,
"<b><code>L</code></b>" Logging,
"<b><code>G</code></b>" Gracefully finishing,<br />
"<b><code>I</code></b>" Idle cleanup of worker,
"<b><code>.</code></b>" Open slot with no current process<br />
</p>
`;

/** Which process each letter of the scoreboard stands for, three a line. */
function pidKey({ pid, scoreboard }: Figures): string {
  const states = [...scoreboard].map((letter) => `   ${pid} in state: ${letter} `);
  const lines: string[] = [];
  for (let i = 0; i < states.length; i += 3) lines.push(states.slice(i, i + 3).join(","));
  return `PID Key: <br />\n<pre>\n${lines.join("\n")}\n</pre>\n`;
}

const EXTENDED_NOTE = "<hr />To obtain a full report with current status information you need ExtendedStatus On.\n";

function details(f: Figures, options: PageOptions): string {
  const slots = f.children.flatMap((child) =>
    child.slots.filter(({ request }) => request !== "").map((slot) => [child, slot] as const),
  );
  if (!options.table) {
    const text = slots.map(([child, slot]) => paragraph(f, child, slot, options.tail)).join("\n");
    return `<hr /><h2>Server Details</h2>\n\n${text}`;
  }
  const columns = "Srv PID Acc M CPU SS Req Dur Conn Child Slot Client Protocol VHost Request".split(" ");
  return `

<table border="0"><tr>${columns.map((column) => `<th>${column}</th>`).join("")}</tr>
${slots.map(([child, slot]) => slotRow(f, child, slot, options.tail)).join("\n")}
</table>
${SLOT_KEY}`;
}

function slotRow(f: Figures, child: ChildFigures, slot: SlotFigures, tail: boolean): string {
  const cpu = (f.cpu.user + f.cpu.system).toFixed(2);
  const mode = slot.letter === "_" ? "_" : `<b>${slot.letter}</b>`;
  const megabytes = (slot.bytes / 1024 ** 2).toFixed(2);
  return (
    `<tr>${cells([`<b>${child.index}-${slot.generation}</b>`, f.pid, `${slot.accesses}/${child.accesses}/${slot.accesses}`, mode, cpu])}` +
    cells([slot.sinceSeconds, slot.requestMs, slot.durationMs, (slot.bytes / 1024).toFixed(1)]) +
    cells([(child.kilobytes / 1024).toFixed(2), megabytes, escapeHtml(slot.client), escapeHtml(slot.protocol)]) +
    `${cells([escapeHtml(slot.vhost), escapeHtml(shortened(slot.request, tail))])}</tr>`
  );
}

function paragraph(f: Figures, child: ChildFigures, slot: SlotFigures, tail: boolean): string {
  const counts = `${slot.accesses}|${child.accesses}|${slot.accesses}`;
  const sizes = `${byteText(slot.bytes)}|${kilobyteText(child.kilobytes)}|${byteText(slot.bytes)}`;
  return `<b>Server ${child.index}-${slot.generation}</b> (${f.pid}): ${counts} [${MODES[slot.letter]}] u${shortest(f.cpu.user)} s${shortest(f.cpu.system)} cu0 cs0
 ${slot.sinceSeconds} ${slot.requestMs} ${slot.durationMs}(${sizes})
 <i>${escapeHtml(slot.client)} {${escapeHtml(shortened(slot.request, tail))}}</i> <i>(${escapeHtml(slot.protocol)})</i> <b>[${escapeHtml(slot.vhost)}]</b><br />
`;
}

const MODES: Readonly<Record<ScoreLetter, string>> = {
  _: "Ready",
  R: "Read",
  W: "<b>Write</b>",
  K: "<b>Keepalive</b>",
  C: "<b>Closing</b>",
  G: "<b>Graceful</b>",
};

function shortened(request: string, tail: boolean): string {
  return tail ? request.slice(-SHOWN_REQUEST) : request.slice(0, SHOWN_REQUEST);
}

const SLOT_KEY = ` <hr /> <table>
 <tr><th>Srv</th><td>Child Server number - generation</td></tr>
 <tr><th>PID</th><td>OS process ID</td></tr>
 <tr><th>Acc</th><td>Number of accesses this connection / this child / this slot</td></tr>
 <tr><th>M</th><td>Mode of operation</td></tr>
<tr><th>CPU</th><td>CPU usage, number of seconds</td></tr>
<tr><th>SS</th><td>Seconds since beginning of most recent request</td></tr>
 <tr><th>Req</th><td>Milliseconds required to process most recent request</td></tr>
 <tr><th>Dur</th><td>Sum of milliseconds required to process all requests</td></tr>
 <tr><th>Conn</th><td>Kilobytes transferred this connection</td></tr>
 <tr><th>Child</th><td>Megabytes transferred this child</td></tr>
 <tr><th>Slot</th><td>Total megabytes transferred this slot</td></tr>
 </table>
`;

function balancerTables(balancers: readonly BalancerState[]): string {
  if (balancers.length === 0) return "";
  return `${balancers.map(balancerTable).join("")}<hr />${BALANCER_KEY}`;
}

function balancerTable({ name, settings, members }: BalancerState): string {
  const { stickySession, stickyPath, timeoutMs, lbmethod } = settings;
  const two = stickyPath !== "" && stickyPath !== stickySession;
  const sticky = stickySession === "" ? " - " : escapeHtml(two ? `${stickySession} | ${stickyPath}` : stickySession);
  const columns = "Sch Host Stat Route Redir F Set Acc Busy Wr Rd".split(" ");
  const rows = members.map((member) => {
    const { route, redirect, loadFactor, lbset } = member.settings;
    const texts = [member.scheme, member.host, member.status, route, redirect].map(escapeHtml);
    const figures = [loadFactor.toFixed(2), lbset, member.elected, member.busy];
    return `<tr>\n${cells([...texts, ...figures, humanSize(member.transferred), humanSize(member.read)])}\n</tr>`;
  });
  return `<hr />
<h1>Proxy LoadBalancer Status for ${escapeHtml(name)}</h1>



<table border="0"><tr><th>SSes</th><th>Timeout</th><th>Method</th></tr>
<tr>${cells([sticky, Math.floor(timeoutMs / 1000), escapeHtml(lbmethod)])}</tr>
</table>


<table border="0"><tr>${columns.map((column) => `<th>${column}</th>`).join("")}</tr>
${rows.join("\n")}
</table>
`;
}

const BALANCER_KEY = `<table>
<tr><th>SSes</th><td>Sticky session name</td></tr>
<tr><th>Timeout</th><td>Balancer Timeout</td></tr>
<tr><th>Sch</th><td>Connection scheme</td></tr>
<tr><th>Host</th><td>Backend Hostname</td></tr>
<tr><th>Stat</th><td>Worker status</td></tr>
<tr><th>Route</th><td>Session Route</td></tr>
<tr><th>Redir</th><td>Session Route Redirection</td></tr>
<tr><th>F</th><td>Load Balancer Factor</td></tr>
<tr><th>Acc</th><td>Number of uses</td></tr>
<tr><th>Wr</th><td>Number of bytes transferred</td></tr>
<tr><th>Rd</th><td>Number of bytes read</td></tr>
</table>
`;

function cells(values: readonly (string | number)[]): string {
  return values.map((value) => `<td>${value}</td>`).join("");
}
