/**
 * What the threads of children and who started them tell each other: plain data.
 */
import { parentPort } from "node:worker_threads";
import type { FailedReloads } from "../core/records.ts";
import type { ReadConfig } from "../server/load.ts";
import type { LentListener } from "./held.ts";
import type { KeptFile } from "./kept_files.ts";
import type { LoadOptions } from "./load.ts";
import type { LogLine } from "./log_order.ts";

/** A configuration for a child, with the memory that it shares. */
export interface ChildConfig {
  readonly generation: number;
  readonly read: ReadConfig;
  readonly memory: readonly SharedMemory[];
}

export interface SharedMemory {
  readonly name: string;
  /** Sent to each child once: Deno 2.9.5 holds something for each time. undefined: it has it. */
  readonly buffer: SharedArrayBuffer | undefined;
  /** Key → bytes from the beginning. */
  readonly places: ReadonlyMap<string, number>;
}

/** What a thread is started with. */
export interface ChildStart {
  readonly sluiceChild: number;
  readonly options: Omit<LoadOptions, "modules" | "read" | "watch" | "seams">;
  readonly config: ChildConfig;
  readonly secret: Uint8Array;
  /** One number a child, which counts as long as it lives. */
  readonly beats: Int32Array;
  /** Listeners that are open already: it accepts from all of them, and opens what is missing. */
  readonly listeners: readonly LentListener[];
  /** Who takes its place goes on with its unix sockets. */
  readonly keepsPaths: boolean;
  /** How many sockets all children may have together. */
  readonly socketRoom: number;
  /** What User may not read. */
  readonly keptFiles: ReadonlyMap<string, KeptFile>;
  /** See LogOrder. */
  readonly logOrder: Int32Array;
  /** When there were nearly as many: see Descriptors. */
  readonly nearRoom: Int32Array;
}

export type ToChild =
  /** Build this; the answer is "ready". */
  | { readonly kind: "prepare"; readonly config: ChildConfig }
  /** Open the listeners of what was prepared; the answer is "ready". */
  | { readonly kind: "listen" }
  /** Serve what was prepared. @param first of all children: its log is not silent */
  | { readonly kind: "commit"; readonly first: boolean }
  | { readonly kind: "abandon" }
  /** Accept from these, too. The answer is "adopted". */
  | { readonly kind: "adopt"; readonly listeners: readonly LentListener[] }
  | { readonly kind: "reloadFailed"; readonly failed: FailedReloads }
  /** Singletons are yours. */
  | { readonly kind: "lead" }
  | { readonly kind: "drain" }
  | { readonly kind: "stop" }
  | { readonly kind: "told"; readonly topic: string; readonly message: unknown }
  /** Another child wants to know; the answer is "answer". */
  | { readonly kind: "asked"; readonly id: number; readonly topic: string; readonly question: unknown }
  /** What the others say to its "ask" of this number. */
  | { readonly kind: "answers"; readonly id: number; readonly values: readonly unknown[] };

export type FromChild =
  /** It is done; or why it could not be. */
  | { readonly kind: "ready"; readonly failures: readonly string[] }
  | { readonly kind: "committed" }
  /** It has opened what it was lent. */
  | { readonly kind: "adopted" }
  /** A generation has ended here. */
  | { readonly kind: "ended"; readonly generation: number }
  /** It accepted as many connections as one child may. */
  | { readonly kind: "full" }
  /** Its last word. */
  | { readonly kind: "gone"; readonly whole: boolean }
  | { readonly kind: "tell"; readonly topic: string; readonly message: unknown; readonly keep: boolean }
  | { readonly kind: "ask"; readonly id: number; readonly topic: string; readonly question: unknown }
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | ({ readonly kind: "log" } & SentLines);

/** Without lines it starts the program. */
export interface SentLines {
  readonly target: string;
  readonly error: boolean;
  /** See LogOrder. */
  readonly number: number;
  readonly lines: readonly LogLine[];
}

/** To who started this thread. */
export function send(message: FromChild): void {
  parentPort!.postMessage(message);
}
