/** State as tables for a terminal. */
import process from "node:process";
import type { BalancerState, MemberState } from "./client.ts";
import { type Condition, conditionOf } from "./condition.ts";

/** One line a balancer, and below it the members that get no requests, with the reason. */
export function statusText(balancers: readonly BalancerState[]): string {
  if (balancers.length === 0) return "There are no balancers.";
  const lines = table(
    ["BALANCER", "METHOD", "USABLE", "BUSY", "ELECTED"],
    balancers.map(({ name, settings, members }) => [
      name,
      settings.lbmethod,
      `${members.filter(({ usable }) => usable).length} of ${members.length}`,
      String(sum(members, (member) => member.busy)),
      String(sum(members, (member) => member.elected)),
    ]),
  ).split("\n");
  return [
    lines[0],
    ...balancers.flatMap(({ members }, i) => [
      lines[i + 1],
      ...members.filter((one) => conditionOf(one) !== "ok").map((one) => `  ${one.url}  ${conditionText(one)}`),
    ]),
  ].join("\n");
}

export function membersText(balancers: readonly BalancerState[]): string {
  const rows = balancers.flatMap(({ name, members }) =>
    members.map((member) => [name.slice("balancer://".length), ...memberCells(member), conditionText(member)]),
  );
  return rows.length === 0 ? "There are no members." : table(["BALANCER", ...MEMBER_TITLES, "STATE"], rows);
}

export const MEMBER_TITLES = ["MEMBER", "ROUTE", "FACTOR", "SET", "SHARE", "BUSY", "ELECTED", "SENT", "READ"];

export function memberCells({ url, settings, share, busy, elected, transferred, read }: MemberState): string[] {
  const { route, loadFactor, lbset } = settings;
  const figures = [loadFactor.toFixed(2), lbset, `${(share * 100).toFixed(1)}%`, busy, elected].map(String);
  return [url, route || "-", ...figures, byteText(transferred), byteText(read)];
}

/** "draining, 3 at hand", "error until 16:55:06: Connection refused" */
export function conditionText(member: MemberState): string {
  const { observed, busy, drained, settings } = member;
  const condition = conditionOf(member);
  const parts: string[] = [condition === "ok" && !member.usable ? "not usable" : condition];
  if (settings.stopped) parts.push("stopped");
  if (drained) parts.push("drained");
  else if (condition !== "ok" && busy > 0) parts.push(`${busy} at hand`);
  const finding = observed.error ?? observed.check;
  if (finding === null) return paint(condition, parts.join(", "));
  const until = finding.untilMs === null ? "" : ` until ${new Date(finding.untilMs).toISOString().slice(11, 19)}Z`;
  return paint(condition, `${parts.join(", ")}${until}${finding.reason === "" ? "" : `: ${plain(finding.reason)}`}`);
}

const COLOURS: Readonly<Record<Condition, string>> = {
  error: "31",
  draining: "33",
  disabled: "90",
  standby: "34",
  ok: "32",
};

/** In the colour of a state, where a person looks. Source: no-color.org */
function paint(condition: Condition, text: string): string {
  const { NO_COLOR = "" } = process.env;
  return process.stdout.isTTY && NO_COLOR === "" ? `\x1b[${COLOURS[condition]}m${text}\x1b[0m` : text;
}

/** What a backend or an operator wrote must not move the cursor. */
export function plain(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, "?");
}

export function byteText(bytes: number): string {
  const units = ["B", "K", "M", "G", "T"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)}${units[unit]}`;
}

/** Columns as wide as their widest cell; numbers to the right. Colours take no room. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [titles, ...rows.map((row) => row.map((cell) => cell))];
  const widths = titles.map((_, i) => Math.max(...all.map((row) => width(row[i]!))));
  const lines = all.map((row) =>
    row.map((cell, i) => {
      const room = " ".repeat(widths[i]! - width(cell));
      return rows.every((one) => /^[\d.]+[%BKMGT]?$/.test(one[i]!)) ? room + cell : cell + room;
    }),
  );
  return lines.map((line) => line.join("  ").trimEnd()).join("\n");
}

function width(cell: string): number {
  return cell.replace(/\x1b\[\d+m/g, "").length;
}

function sum(members: readonly MemberState[], figure: (member: MemberState) => number): number {
  return members.reduce((total, member) => total + figure(member), 0);
}
