/**
 * What a reload changes of the listeners, and what of that it cannot do while those that are open serve.
 */
import { getModuleConfig } from "../core/module.ts";
import type { ProcessRec } from "../core/records.ts";
import { listenName } from "../front/net.ts";
import core, { frontOf, type ListenSpec } from "../server/mod_core.ts";

/** Those that `previous` does not have. @param previous null: nothing is open */
export function newListeners(previous: ProcessRec | null, next: ProcessRec): ListenSpec[] {
  const open = previous === null ? [] : coreOf(previous).listen;
  return coreOf(next).listen.filter((spec) => !open.some((other) => isSame(spec, other)));
}

export function listensOnUnix(process: ProcessRec): boolean {
  return coreOf(process).listen.some(({ unix }) => unix !== "");
}

/**
 * Messages about listeners that cannot be opened because one that ends with the reload has their address: no two can be bound
 * there, nor be exchanged without a moment in which clients are refused.
 */
export function takesRestart(previous: ProcessRec, next: ProcessRec): string[] {
  const before = coreOf(previous);
  const after = coreOf(next);
  const ending = before.listen.filter((spec) => !after.listen.some((other) => isSame(spec, other)));
  const failures: string[] = [];
  for (const spec of after.listen) {
    const name = listenName(spec);
    const same = before.listen.find((other) => isSame(spec, other));
    if (same === undefined) {
      const inTheWay = ending.find((other) => overlap(spec, other));
      if (inTheWay !== undefined)
        failures.push(
          `Listen ${name}: in place of Listen ${listenName(inTheWay)} it takes a restart, nothing was changed`,
        );
      continue;
    }
    const [from, to] = [frontOf(before, same), frontOf(after, spec)];
    if (from !== to)
      failures.push(`Listen ${name}: from Front ${from} to Front ${to} takes a restart, nothing was changed`);
  }
  return failures;
}

function coreOf(process: ProcessRec) {
  return getModuleConfig(process.servers[0]!.config, core);
}

function isSame(a: ListenSpec, b: ListenSpec): boolean {
  return a.unix === b.unix && a.address === b.address && a.port === b.port;
}

function overlap(a: ListenSpec, b: ListenSpec): boolean {
  return a.unix === "" && b.unix === "" && a.port === b.port && (covers(a, b) || covers(b, a));
}

/** It is for every address, the other's among them. */
function covers({ address }: ListenSpec, other: ListenSpec): boolean {
  return address === "" || address === "::" || (address === "0.0.0.0" && !other.address.includes(":"));
}
