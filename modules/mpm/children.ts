/**
 * Those who serve, in the eyes of the program that starts, reloads and stops them.
 */
import type { OnlyChild } from "../core/only_child.ts";
import type { FailedReloads } from "../core/records.ts";
import type { Loaded } from "../server/load.ts";
import type { Dup } from "./dup.ts";
import type { Inherited } from "./inherited.ts";
import type { LoadOptions } from "./load.ts";

/** This event loop, or threads. */
export interface Children {
  /** Makes those ready that are to open listeners. Answers why they are not. */
  start(): Promise<readonly string[]>;
  /** Opens the listeners. Answers what could not be. */
  open(): Promise<readonly string[]>;
  /** Serves. */
  begin(): void;
  /** New requests belong to `next`; or why not, and nothing was changed. */
  exchange(next: Loaded): Promise<readonly string[]>;
  /** The configuration that was read could not be used; those who show it tell. */
  reloadFailed(failed: FailedReloads): void;
  /** Ends at once. */
  stop(): Promise<void>;
  /** Takes no new connections; answers whether all that were open ended by themselves. */
  drain(): Promise<boolean>;
}

/** How the program was started. */
export interface StartOptions extends LoadOptions {
  /** What a thread runs to become a child; undefined: there are no threads. */
  readonly program?: string | undefined;
  /** Reload when a file of the configuration changes. */
  readonly reloadOnChange?: boolean;
}

/** A configuration that may serve. */
export interface FirstConfig {
  readonly loaded: Loaded;
  readonly siblings: OnlyChild;
  readonly inherited: Inherited;
  /** null: there is none, or nobody needs it. */
  readonly dup: Dup | null;
}
