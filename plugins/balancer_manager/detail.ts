/**
 * What sluice's manager shows besides httpd's tables: where a member's state comes from, its traffic and checks, and what was
 * changed as lines of a configuration.
 */
import type { BalancerState, Change, CheckState, Finding, MemberState } from "../../modules/mod.ts";
import { conditionOf } from "./condition.ts";
import { esc, gridTable } from "./html.ts";

const SHOWN_CHECKS = 3;

const COLUMNS = ["Member", "Configured", "Changed", "Observed", "Share", "Pool", "Traffic", "Health checks"];

/** Colours a member's rows. */
export function memberClass(member: MemberState): string {
  return member.drained ? `${conditionOf(member)} drained` : conditionOf(member);
}

/** Configured, administrative and observed state side by side. */
export function detailTable({ name, members }: BalancerState): string {
  const rows = members.map((member) => {
    const cells = [
      memberCell(member),
      esc(configuredText(member.configured)),
      changedText(member),
      observedText(member),
      percent(member.share),
      poolText(member),
      trafficText(member),
      checksText(member),
    ];
    return [` class="${memberClass(member)}" data-member="${esc(member.url)}"`, cells] as const;
  });
  return gridTable("detail", ` data-balancer="${esc(name)}"`, `State of ${esc(name)}`, COLUMNS, rows);
}

function memberCell(member: MemberState): string {
  const mark = member.drained ? ' <span class="badge">&#10003; drained</span>' : "";
  return `${esc(member.url)}<br><span class="badge">${conditionOf(member)}</span>${mark}`;
}

const WORDS: Readonly<Record<string, string>> = {
  I: "ignores errors",
  N: "draining",
  D: "disabled",
  S: "stopped",
  H: "standby",
  R: "spare",
};

function configuredText(letters: string): string {
  return letters === "" ? "in service" : [...letters].map((letter) => WORDS[letter] ?? letter).join(", ");
}

function changedText({ changed, added }: MemberState): string {
  const parts = [...(added ? ["added while running"] : []), ...changed.map(changeText)];
  return parts.length === 0 ? '<span class="quiet">nothing</span>' : parts.map(esc).join("<br>");
}

export function changeText({ name, before, after }: Change): string {
  if (typeof after === "boolean") return `${after ? "now" : "no longer"} ${spaced(name)}`;
  return `${spaced(name)}: ${valueText(before)} to ${valueText(after)}`;
}

/** "loadFactor" → "load factor", "retryMs" → "retry (ms)". */
function spaced(name: string): string {
  return name.replace(/Ms$/, " (ms)").replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function valueText(value: Change["before"]): string {
  return value === null || value === "" ? "none" : String(value);
}

function observedText({ observed, usable, drained, busy }: MemberState): string {
  const parts: string[] = [];
  if (observed.error !== null) parts.push(`in error${findingText(observed.error)}`);
  if (observed.check !== null) parts.push(`fails its checks${findingText(observed.check)}`);
  if (observed.panic) parts.push("panic: checks are not heeded");
  if (busy > 0) parts.push(`${busy} at hand`);
  else if (drained) parts.push("nothing at hand");
  return parts.length > 0 ? parts.join("<br>") : usable ? "usable" : "not usable";
}

function findingText({ sinceMs, untilMs, reason }: Finding): string {
  const since = sinceMs > 0 ? ` since ${time(sinceMs)}` : "";
  const until = untilMs === null ? "" : `, retried after ${time(untilMs)}`;
  return `${since}${until}${reason === "" ? "" : `: ${esc(reason)}`}`;
}

function poolText({ pool: { inUse, idle, waiting, max } }: MemberState): string {
  return `${inUse} used, ${idle} idle<br>${waiting} waiting${max === null ? "" : `, max ${max}`}`;
}

/** The script draws what happened in each of the last seconds beside it. */
function trafficText({ traffic, elected }: MemberState): string {
  if (traffic === null) return `${elected} elected`;
  const { requests, errors, failures, seconds } = traffic;
  const mean = requests === 0 ? "" : `, ${((seconds / requests) * 1000).toFixed(1)} ms on average`;
  const failed = failures === 0 ? "" : `, ${failures} failed attempts`;
  return `<span class="totals">${requests} requests, ${errors} with 5xx${failed}${mean}</span>`;
}

function checksText({ check }: MemberState): string {
  if (check === null || check.results.length === 0) return '<span class="quiet">none</span>';
  const last = check.results.slice(-SHOWN_CHECKS).reverse();
  const lines = last.map(({ passed, atMs, tookMs, reason }) => {
    return `${passed ? "passed" : "failed"} ${time(atMs)} (${Math.round(tookMs)} ms): ${esc(reason)}`;
  });
  return `${resultMarks(check)}<br>${lines.join("<br>")}`;
}

/** The whole history in marks, the newest last. */
function resultMarks({ results }: CheckState): string {
  const failed = results.filter(({ passed }) => !passed).length;
  const marks = results.map(({ passed }) =>
    passed ? '<span class="pass">&#10003;</span>' : '<span class="fail">&#10007;</span>',
  );
  const label = `${results.length} checks, ${failed} failed`;
  return `<span class="results" role="img" aria-label="${label}">${marks.join("")}</span>`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

/** "16:55:06", UTC. */
function time(ms: number): string {
  return new Date(ms).toISOString().slice(11, 19);
}

/** What would make the changes permanent. @param lines "": there are none */
export function configBlock({ name, changed }: BalancerState, lines: string): string {
  if (lines === "") return "";
  const own = changed.length === 0 ? "" : `<p>Changed: ${changed.map((one) => esc(changeText(one))).join("; ")}</p>`;
  return `${own}<details class="config"><summary>What was changed here, as lines of the configuration</summary>
<pre tabindex="0" aria-label="Lines for ${esc(name)}">${esc(lines)}</pre>
<p class="quiet">They stand in the place of the lines for the same members. Without them a reload takes the changes back.</p></details>
`;
}
