/**
 * What an operator does to balancers and members while the server runs. Each action is plain data, is checked, done, logged
 * and noted with the action that takes it back; manager and API do nothing else.
 */
import type { ProcessRec, ServerRec } from "../core/records.ts";
import type { ProxyBalancer } from "../proxy/balancer.ts";
import { findBalancer, getProxyServerState, matchWorker } from "../proxy/server_state.ts";
import { DISABLED, IN_ERROR, ProxyWorker, STOPPED } from "../proxy/worker.ts";
import { parseWorkerUrl } from "../proxy/worker_url.ts";
import { type Action, type Actor, type AuditEntry, auditLog, type Change } from "./audit.ts";
import {
  type BalancerChange,
  balancerRefusal,
  balancerSettings,
  changeBalancer,
  changeMember,
  type MemberChange,
  memberRefusal,
  memberSettings,
} from "./settings.ts";

/** Why an action was not done; `status` is HTTP's. */
export interface Refusal {
  readonly status: 400 | 404 | 409;
  readonly error: string;
}

/** What an action did. */
interface Done {
  readonly changes: readonly Change[];
  readonly inverse: Action | null;
}

export type Outcome = { readonly entry: AuditEntry } | { readonly refusal: Refusal };

/** Called after each action at a server. */
type Listener = (server: ServerRec) => void;
const listeners = new WeakMap<ServerRec, Set<Listener>>();

/** Answers what ends it. */
export function onAction(server: ServerRec, listener: Listener): () => void {
  const known = listeners.get(server) ?? new Set();
  listeners.set(server, known.add(listener));
  return () => known.delete(listener);
}

export function perform(server: ServerRec, actor: Actor, action: Action): Outcome {
  const outcome = performHere(server, actor, action);
  if ("entry" in outcome) tellOthers(server, { actor, action, isUndo: false }, outcome.entry);
  return outcome;
}

function tellOthers(server: ServerRec, told: Omit<ToldAction, "place" | "done">, entry: AuditEntry): void {
  server.log.notice("proxy_balancer", "", describe(entry));
  const { place } = getProxyServerState(server)!;
  const { changes, inverse } = entry;
  server.process.siblings.tell(ACTIONS, { ...told, place, done: { changes, inverse } } satisfies ToldAction, true);
}

/** What a child did, and all others must do. */
interface ToldAction {
  readonly place: string;
  readonly actor: Actor;
  readonly action: Action;
  /** What it did there: of what children share, others find it done. */
  readonly done: Done;
  /** It takes the last change back: theirs, too. */
  readonly isUndo: boolean;
}

const ACTIONS = "proxy_balancer actions";

/** child_init: does what operators ask of other children. */
export function hearActions(process: ProcessRec, _main: ServerRec): void {
  process.siblings.hear(ACTIONS, (message) => {
    const { place, actor, action, done, isUndo } = message as ToldAction;
    const server = process.servers.find((one) => getProxyServerState(one)?.place === place);
    if (server === undefined) return;
    const last = isUndo ? auditLog(process).lastUndoable(server) : undefined;
    const outcome = performHere(server, actor, action, done);
    if (last !== undefined && "entry" in outcome) auditLog(process).undone(last, outcome.entry);
  });
}

/** @param elsewhere what another child did: counters, which all share, are not set back a second time */
function performHere(server: ServerRec, actor: Actor, action: Action, elsewhere: Done | null = null): Outcome {
  const balancer = findBalancer(server, action.balancer);
  if (balancer === undefined) return refuse(404, `there is no ${action.balancer}`);
  const done = act(server, balancer, action, elsewhere === null);
  if ("status" in done) return { refusal: done };
  const entry = auditLog(server.process).add(server, {
    atMs: server.process.clock.wallUs() / 1000,
    actor,
    action,
    ...(elsewhere ?? done),
  });
  for (const listener of listeners.get(server) ?? []) listener(server);
  return { entry };
}

/** Takes back the last action at this server that can be. */
export function undo(server: ServerRec, actor: Actor): Outcome {
  const log = auditLog(server.process);
  const last = log.lastUndoable(server);
  if (last === undefined || last.inverse === null) return refuse(409, "there is nothing to take back");
  const outcome = performHere(server, actor, last.inverse);
  if ("refusal" in outcome) return outcome;
  tellOthers(server, { actor, action: last.inverse, isUndo: true }, outcome.entry);
  log.undone(last, outcome.entry);
  return outcome;
}

/** @param first no other child has done it before */
function act(server: ServerRec, balancer: ProxyBalancer, action: Action, first: boolean): Done | Refusal {
  if (action.kind === "set-balancer") return setBalancer(server, balancer, action.settings, first);
  if (action.kind === "add-member") return addMember(server, balancer, action.url, action.settings ?? {}, first);
  if (action.kind === "reset" && action.member === undefined) return reset(first ? balancer.members : []);
  const member = balancer.members.find(({ displayName }) => displayName === action.member);
  if (member === undefined) return no(404, `${balancer.name} has no member ${action.member}`);
  switch (action.kind) {
    case "set-member":
      return setMember(server, balancer, member, action.settings, first);
    case "remove-member":
      return removeMember(balancer, member, first);
    case "recover":
      return recover(member);
    case "check":
      return checkNow(member);
    case "reset":
      return reset(first ? [member] : []);
  }
}

function setMember(
  server: ServerRec,
  balancer: ProxyBalancer,
  member: ProxyWorker,
  settings: MemberChange,
  first: boolean,
): Done | Refusal {
  const refused = memberRefusal(member, settings, server);
  if (refused !== null) return no(400, refused);
  const before = changeMember(balancer, member, settings, server, first);
  const inverse: Action = {
    kind: "set-member",
    balancer: balancer.name,
    member: member.displayName,
    settings: before,
  };
  return { changes: changesOf(before, memberSettings(member)), inverse: isEmpty(before) ? null : inverse };
}

function setBalancer(
  server: ServerRec,
  balancer: ProxyBalancer,
  settings: BalancerChange,
  first: boolean,
): Done | Refusal {
  const refused = balancerRefusal(balancer, settings, server.process.providers);
  if (refused !== null) return no(400, refused);
  const before = changeBalancer(balancer, settings, server, first);
  const inverse: Action = { kind: "set-balancer", balancer: balancer.name, settings: before };
  return { changes: changesOf(before, balancerSettings(balancer)), inverse: isEmpty(before) ? null : inverse };
}

/** Disabled, unless the settings say otherwise: who adds a member enables it when it is ready. */
function addMember(
  server: ServerRec,
  balancer: ProxyBalancer,
  text: string,
  settings: MemberChange,
  first: boolean,
): Done | Refusal {
  const url = parseWorkerUrl(text, server.process.runtimeDir);
  if (typeof url === "string") return no(400, url);
  const known = matchWorker(balancer.members, url.name);
  if (known !== undefined) return no(409, `${known.displayName} serves ${text} already`);
  if (balancer.spareSlots.length === 0) {
    return no(409, `${balancer.name} has no room for another member: growth=${balancer.params.growth}`);
  }
  const member = new ProxyWorker(url, "member");
  const refused = memberRefusal(member, settings, server);
  if (refused !== null) return no(400, refused);
  member.setStatus(DISABLED);
  const error = balancer.add(member, first);
  if (error !== null) return no(409, error);
  changeMember(balancer, member, settings, server, first);
  const { displayName } = member;
  return {
    changes: [{ name: "member", before: null, after: displayName }],
    inverse: { kind: "remove-member", balancer: balancer.name, member: displayName },
  };
}

function removeMember(balancer: ProxyBalancer, member: ProxyWorker, first: boolean): Done | Refusal {
  if (!member.added) return no(409, `${member.displayName} is in the configuration: disable or stop it`);
  const settings = memberSettings(member);
  balancer.remove(member, first);
  return {
    changes: [{ name: "member", before: member.displayName, after: null }],
    inverse: { kind: "add-member", balancer: balancer.name, url: member.displayName, settings },
  };
}

function recover(member: ProxyWorker): Done | Refusal {
  if (!member.has(IN_ERROR)) return no(409, `${member.displayName} is not in error`);
  member.recover();
  return { changes: [{ name: "in error", before: true, after: false }], inverse: null };
}

function checkNow(member: ProxyWorker): Done | Refusal {
  const { check } = member;
  if (check === null || check.params.method === "NONE") return no(409, `${member.displayName} has no health check`);
  if (member.has(STOPPED)) return no(409, `${member.displayName} is stopped, and so is not checked`);
  check.wanted = true;
  return { changes: [], inverse: null };
}

const COUNTERS = ["elected", "transferred", "read", "retries", "lbstatus"] as const;

function reset(members: readonly ProxyWorker[]): Done {
  for (const { s } of members) for (const counter of COUNTERS) s[counter] = 0;
  return { changes: [], inverse: null };
}

function changesOf<S extends object>(before: { readonly [K in keyof S]?: S[K] | undefined }, now: S): Change[] {
  return (Object.keys(before) as (keyof S & string)[]).map((name) => ({
    name,
    before: before[name] as Change["before"],
    after: now[name] as Change["after"],
  }));
}

function isEmpty(settings: object): boolean {
  return Object.keys(settings).length === 0;
}

/** "set-member balancer://app http://a: draining false -> true, by alice from 127.0.0.1, api" */
function describe({ action, changes, actor }: AuditEntry): string {
  const what = "member" in action && action.member !== undefined ? ` ${action.member}` : "";
  const list = changes.map(({ name, before, after }) => `${name} ${before ?? "none"} -> ${after ?? "none"}`).join(", ");
  const who = `by ${actor.user ?? "somebody"} from ${actor.address || "a unix socket"}, ${actor.via}`;
  return `${action.kind} ${action.balancer}${what}: ${list === "" ? "done" : list}, ${who}`;
}

function no(status: Refusal["status"], error: string): Refusal {
  return { status, error };
}

function refuse(status: Refusal["status"], error: string): Outcome {
  return { refusal: no(status, error) };
}
