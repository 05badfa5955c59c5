/**
 * What hosts give a program, with where they say so. What a host does not promise counts as not given.
 */
import type { Capability } from "../core/module.ts";

/** A capability of modules, or something that an argument of a directive asks for. */
export type Need = Capability | "unix sockets" | "writable files";

export interface Target {
  readonly gives: ReadonlySet<Need>;
  /** Timers run while requests are served; between them nothing may run. */
  readonly timersStop: boolean;
  readonly source: string;
}

export type TargetName = "container" | "fly" | "vercel-bun" | "deno-deploy" | "edge";

const ALL: readonly Need[] = ["sockets", "udp", "timers", "threads", "files", "unix sockets", "writable files"];

export const targets: Readonly<Record<TargetName, Target>> = {
  container: { gives: new Set(ALL), timersStop: false, source: "a process of an operating system" },
  fly: {
    gives: new Set(ALL),
    timersStop: false,
    source: "https://fly.io/docs/machines/ (a virtual machine), https://fly.io/docs/networking/udp-and-tcp/",
  },
  "vercel-bun": {
    // Files are those of the deployment; only /tmp can be written to, and is gone with the instance.
    gives: new Set<Need>(["sockets", "timers", "files"]),
    timersStop: true,
    source: "https://vercel.com/docs/functions/runtimes/bun, https://vercel.com/docs/functions/runtimes",
  },
  "deno-deploy": {
    // Files are those of the deployment. TCP alone: no unix sockets, no UDP.
    gives: new Set<Need>(["sockets", "timers", "files"]),
    timersStop: true,
    source: "https://docs.deno.com/deploy/api, https://docs.deno.com/deploy/api/runtime-sockets",
  },
  edge: { gives: new Set<Need>(["timers"]), timersStop: true, source: "a host with fetch and nothing else" },
};

export function isTarget(name: string): name is TargetName {
  return Object.hasOwn(targets, name);
}
