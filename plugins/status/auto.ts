/**
 * `?auto`: the figures as lines of "Key: value".
 * Source: httpd modules/generators/mod_status.c status_handler
 */
import { type BalancerState, stateLines } from "../../modules/mod.ts";
import type { Figures } from "./figures.ts";
import { durationText, longTime, shortest } from "./format.ts";

/** @param balancers null: ProxyStatus is off */
export function autoText(
  name: string,
  f: Figures,
  extended: boolean,
  balancers: readonly BalancerState[] | null,
): string {
  const lines = [name, ...serverLines(f), ...(extended ? extendedLines(f) : []), ...workerLines(f)];
  if (balancers !== null) lines.push(...stateLines(balancers));
  return `${lines.join("\n")}\n`;
}

function serverLines(f: Figures): string[] {
  return [
    `ServerVersion: ${f.version}`,
    "ServerMPM: event",
    `Server Built: ${f.built}`,
    `CurrentTime: ${longTime(f.nowUs)}`,
    `RestartTime: ${longTime(f.startedUs)}`,
    `ParentServerConfigGeneration: ${f.generation + 1}`,
    `ParentServerMPMGeneration: ${f.generation}`,
    `ServerUptimeSeconds: ${f.uptime}`,
    `ServerUptime: ${durationText(f.uptime)}`.trimEnd(),
    ...["Load1", "Load5", "Load15"].map((key, i) => `${key}: ${(f.load[i] ?? 0).toFixed(2)}`),
  ];
}

function extendedLines({ accesses, kilobytes, durationMs, cpu, uptime }: Figures): string[] {
  const used = cpu.user + cpu.system;
  const lines = [
    `Total Accesses: ${accesses}`,
    `Total kBytes: ${kilobytes}`,
    `Total Duration: ${durationMs}`,
    `CPUUser: ${shortest(cpu.user)}`,
    `CPUSystem: ${shortest(cpu.system)}`,
    "CPUChildrenUser: 0",
    "CPUChildrenSystem: 0",
  ];
  if (used > 0 && uptime > 0) lines.push(`CPULoad: ${shortest((used / uptime) * 100)}`);
  lines.push(`Uptime: ${uptime}`);
  if (uptime > 0) {
    lines.push(`ReqPerSec: ${shortest(accesses / uptime)}`, `BytesPerSec: ${shortest((1024 * kilobytes) / uptime)}`);
  }
  if (accesses > 0) {
    lines.push(`BytesPerReq: ${shortest((1024 * kilobytes) / accesses)}`);
    lines.push(`DurationPerReq: ${shortest(durationMs / accesses)}`);
  }
  return lines;
}

function workerLines(f: Figures): string[] {
  return [
    `BusyWorkers: ${f.busy}`,
    `GracefulWorkers: ${f.graceful}`,
    `IdleWorkers: ${f.idle}`,
    `Processes: ${f.children.length}`,
    `Stopping: ${f.stopping}`,
    `ConnsTotal: ${f.connections}`,
    `ConnsAsyncWaitIO: ${f.waitIo}`,
    `ConnsAsyncWriting: ${f.writing}`,
    `ConnsAsyncKeepAlive: ${f.keepAlive}`,
    `ConnsAsyncClosing: ${f.closing}`,
    `Scoreboard: ${f.scoreboard}`,
  ];
}
