/**
 * The audit log: what operators changed, who, from where, and what it was before.
 */
import type { ProcessRec, ServerRec } from "../core/records.ts";
import type { BalancerChange, MemberChange } from "./settings.ts";

/** `balancer` is its name, balancer://NAME; `member` the URL as shown, unix:PATH| included. */
export type Action =
  | { readonly kind: "set-member"; balancer: string; member: string; settings: MemberChange }
  | { readonly kind: "set-balancer"; balancer: string; settings: BalancerChange }
  | { readonly kind: "add-member"; balancer: string; url: string; settings?: MemberChange | undefined }
  | { readonly kind: "remove-member"; balancer: string; member: string }
  /** Ends the error state now. */
  | { readonly kind: "recover"; balancer: string; member: string }
  /** Runs the member's health check now. */
  | { readonly kind: "check"; balancer: string; member: string }
  /** Zeroes elected, transferred, read, retries and lbstatus; of all members where none is named. */
  | { readonly kind: "reset"; balancer: string; member?: string | undefined };

/** Who acts. */
export interface Actor {
  /** The user that proved to be one; null: nobody asked. */
  readonly user: string | null;
  /** IP address of the client. */
  readonly address: string;
  readonly via: "manager" | "api";
}

/** One value that an action changed. */
export interface Change {
  readonly name: string;
  readonly before: string | number | boolean | null;
  readonly after: string | number | boolean | null;
}

export interface AuditEntry {
  /** Counts the actions of a program's life, from 1. */
  readonly id: number;
  /** Wall clock, milliseconds. */
  readonly atMs: number;
  readonly actor: Actor;
  /** "host:port" of the server at which it was done. */
  readonly server: string;
  readonly action: Action;
  readonly changes: readonly Change[];
  /** The action that takes it back; null: there is none. */
  readonly inverse: Action | null;
  /** The entry that took it back. */
  readonly undoneBy: number | null;
}

const KEPT = 500;

export class AuditLog {
  private readonly kept: { entry: AuditEntry; server: ServerRec }[] = [];
  private last = 0;

  add(server: ServerRec, entry: Omit<AuditEntry, "id" | "server" | "undoneBy">): AuditEntry {
    const added = { ...entry, id: ++this.last, server: `${server.hostname}:${server.port}`, undoneBy: null };
    this.kept.push({ entry: added, server });
    if (this.kept.length > KEPT) this.kept.shift();
    return added;
  }

  /** Of one server, the newest first. Those from before the last reload are told by its name. */
  of(server: ServerRec): AuditEntry[] {
    const name = `${server.hostname}:${server.port}`;
    return this.kept
      .filter(({ entry }) => entry.server === name)
      .map(({ entry }) => entry)
      .reverse();
  }

  /** The last action at a server that can be taken back: none from before a reload, which took back all of them. */
  lastUndoable(server: ServerRec): AuditEntry | undefined {
    return this.kept.findLast(({ entry, server: at }) => at === server && canUndo(entry))?.entry;
  }

  /** Notes that `by` took `entry` back. `by` itself is no action to take back: twice undone is two actions undone. */
  undone(entry: AuditEntry, by: AuditEntry): void {
    for (const kept of this.kept) {
      if (kept.entry.id === entry.id) kept.entry = { ...kept.entry, undoneBy: by.id };
      if (kept.entry.id === by.id) kept.entry = { ...kept.entry, inverse: null };
    }
  }
}

function canUndo({ inverse, undoneBy }: AuditEntry): boolean {
  return inverse !== null && undoneBy === null;
}

const logs = new WeakMap<ProcessRec, AuditLog>();

export function auditLog(process: ProcessRec): AuditLog {
  let log = logs.get(process);
  if (log === undefined) {
    log = new AuditLog();
    logs.set(process, log);
  }
  return log;
}

/** post_config: a reload does not end it. */
export function inheritAuditLog(process: ProcessRec, previous: ProcessRec | null): void {
  if (previous !== null) logs.set(process, auditLog(previous));
}
