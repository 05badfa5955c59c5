/**
 * The workers and balancers that directives name → records, for each server, shared where httpd shares them.
 * Source: httpd modules/proxy/mod_proxy.c add_pass, add_member, set_proxy_param, merge_proxy_config
 */
import { type Directive, didYouMean, errorAt } from "../config/directive.ts";
import type { DirectiveSource } from "../core/command.ts";
import { getModuleConfig, type Module } from "../core/module.ts";
import type { ProcessRec, ServerRec } from "../core/records.ts";
import { balancerName, ProxyBalancer } from "./balancer.ts";
import { type ProxyConfig, proxyModuleRef } from "./config.ts";
import { lbmethod } from "./lbmethod.ts";
import { applyBalancerSettings, applyWorkerSettings, type BalancerSettings, type WorkerSettings } from "./params.ts";
import { hasGroupInAuthority } from "./pass.ts";
import { getProxyServerState, matchWorker, setProxyServerState } from "./server_state.ts";
import { serverKey, shareSlots } from "./slots.ts";
import { genericWorker, ProxyWorker } from "./worker.ts";
import { parseWorkerUrl } from "./worker_url.ts";

/** What one line says of a worker or balancer; plain data. */
export interface Definition {
  /** "set": it must exist already. */
  readonly kind: "worker" | "balancer" | "member" | "set";
  readonly url: string;
  /** The URL of a regex rule: $1 may stand in it. */
  readonly isMatch: boolean;
  /** Of a member. */
  readonly balancer: string;
  /** Of ProxyPass: what it maps; null: another directive says it. */
  readonly path: string | null;
  readonly worker: WorkerSettings;
  readonly whole: BalancerSettings;
  /** As they were written. */
  readonly params: readonly (readonly [key: string, value: string])[];
  readonly directive: DirectiveSource;
}

/** The definitions of a server itself, in file order. They are kept apart from the configuration: nothing merges them. */
export function definitionsOf(server: ServerRec, module: Module<never> | Module<ProxyConfig>): Definition[] {
  server.raw[module.index] ??= {};
  const raw = server.raw[module.index] as { definitions?: Definition[] };
  raw.definitions ??= [];
  return raw.definitions;
}

interface Draft {
  readonly members: ProxyWorker[];
  settings: BalancerSettings;
  at: DirectiveSource;
  path: string | null;
  /** Where its lbmethod was set. */
  methodAt: DirectiveSource | null;
}

interface ServerDraft {
  readonly workers: ProxyWorker[];
  readonly balancers: Map<string, Draft>;
}

/** check_config: builds the records of every server. Opens nothing. @throws ConfigError */
export function buildStates(process: ProcessRec): void {
  const module = proxyModuleRef.module!;
  const built = new Map<ProxyWorker, string>();
  const main = process.servers[0]!;
  const drafts = new Map<ServerRec, ServerDraft>();
  for (const server of process.servers) {
    drafts.set(server, draft(process, definitionsOf(server, module), serverKey(server), built));
  }
  const ownOfMain = drafts.get(main)!;
  const reverse = genericWorker();
  built.set(reverse, "reverse");
  const records = new Map<Draft, ProxyBalancer>();
  const all = new Set<ProxyBalancer>();
  for (const server of process.servers) {
    const own = drafts.get(server)!;
    const conf = getModuleConfig(server.config, module);
    const inherits = server !== main && (conf.passInherit || conf.balancerInherit);
    const balancers = new Map<string, ProxyBalancer>();
    // As in httpd's lists: what is inherited and not mentioned comes first.
    const inherited = inherits ? [...ownOfMain.balancers].filter(([name]) => !own.balancers.has(name)) : [];
    for (const [name, from] of [...inherited, ...own.balancers]) {
      const base = inherits ? ownOfMain.balancers.get(name) : undefined;
      const balancer = record(process, records, name, from, base === from ? undefined : base);
      balancers.set(name, balancer);
      all.add(balancer);
    }
    const workers = inherits ? [...ownOfMain.workers, ...own.workers] : own.workers;
    setProxyServerState(server, { place: serverKey(server), workers, balancers, reverse });
  }
  shareSlots(process, built, [...all]);
}

function draft(
  process: ProcessRec,
  definitions: readonly Definition[],
  origin: string,
  built: Map<ProxyWorker, string>,
): ServerDraft {
  const workers: ProxyWorker[] = [];
  const balancers = new Map<string, Draft>();
  for (const definition of definitions) {
    switch (definition.kind) {
      case "balancer":
        addSettings(balancerDraft(balancers, definition.url, definition), definition);
        break;
      case "member":
        addMember(
          process,
          balancerDraft(balancers, definition.balancer, definition).members,
          definition,
          `${origin} ${balancerName(definition.balancer)}`,
          built,
        );
        break;
      case "worker":
        addWorker(process, workers, definition, origin, built);
        break;
      case "set":
        setExisting(workers, balancers, definition);
    }
  }
  return { workers, balancers };
}

function balancerDraft(balancers: Map<string, Draft>, url: string, { directive }: Definition): Draft {
  const name = balancerName(url);
  if (name.length > MAX_BALANCER_NAME) {
    throw errorAt(directive as Directive, `${directive.name} balancer name (${name}) too long`);
  }
  let found = balancers.get(name);
  if (found === undefined) {
    found = { members: [], settings: {}, at: directive, path: null, methodAt: null };
    balancers.set(name, found);
  }
  found.at = directive;
  return found;
}

function addSettings(draft: Draft, { whole, path, directive }: Definition): void {
  draft.path = path ?? draft.path;
  draft.settings = { ...draft.settings, ...whole };
  if (whole.lbmethod !== undefined) draft.methodAt = directive;
}
/** httpd has a field of fixed size for it. Source: modules/proxy/mod_proxy.h, PROXY_BALANCER_MAX_NAME_SIZE */
const MAX_BALANCER_NAME = "balancer://".length + 84;

/**
 * A worker whose name is a prefix serves this URL, too, and its parameters stay as they are; but those of ProxyPass and of
 * ProxyPassMatch are not each other's.
 */
function addWorker(
  process: ProcessRec,
  workers: ProxyWorker[],
  definition: Definition,
  origin: string,
  built: Map<ProxyWorker, string>,
): void {
  const url = parsed(process, definition);
  const isSection = /^(ProxySet|Proxy)$/i.test(definition.directive.name);
  const candidates = isSection ? workers : workers.filter((worker) => worker.isMatch === definition.isMatch);
  const shared = matchWorker(candidates, url.name);
  if (shared !== undefined && isSection) {
    applyWorkerSettings(shared, definition.worker);
    return;
  }
  if (shared !== undefined) {
    warnShared(process, shared, url.name, definition, "AH01145", "AH01146");
    return;
  }
  const worker = new ProxyWorker(url, definition.isMatch ? "match" : "plain");
  applyWorkerSettings(worker, definition.worker);
  if (worker.isRegex && hasGroupInAuthority(worker.name) && !worker.params.disableReuse) {
    process.log.warn("proxy", "AH03428", `enablereuse/disablereuse ignored for worker ${worker.name}`);
    worker.params.disableReuse = true;
  }
  worker.initialize();
  workers.push(worker);
  built.set(worker, origin);
}

function addMember(
  process: ProcessRec,
  members: ProxyWorker[],
  definition: Definition,
  origin: string,
  built: Map<ProxyWorker, string>,
): void {
  const url = parsed(process, definition);
  const shared = matchWorker(members, url.name);
  if (shared !== undefined) {
    warnShared(process, shared, url.name, definition, "AH01149", "AH01150");
    return;
  }
  const worker = new ProxyWorker(url, "member");
  applyWorkerSettings(worker, definition.worker);
  members.push(worker);
  built.set(worker, origin);
}

function warnShared(
  process: ProcessRec,
  { name }: ProxyWorker,
  wanted: string,
  { params }: Definition,
  shares: string,
  ignores: string,
): void {
  process.log.info("proxy", shares, `Sharing worker '${name}' instead of creating new worker '${wanted}'`);
  for (const [key, value] of params) {
    const text = `Ignoring parameter '${key}=${value}' for worker '${name}' because of worker sharing`;
    process.log.warn("proxy", ignores, text);
  }
}

function setExisting(
  workers: readonly ProxyWorker[],
  balancers: ReadonlyMap<string, Draft>,
  definition: Definition,
): void {
  const { url, directive, worker } = definition;
  if (/^balancer:/i.test(url)) {
    const found = balancers.get(balancerName(url));
    if (found === undefined) throw errorAt(directive as Directive, `ProxySet can not find '${url}' Balancer.`);
    addSettings(found, definition);
    return;
  }
  const found = matchWorker(workers, url);
  if (found === undefined) throw errorAt(directive as Directive, `ProxySet can not find '${url}' Worker.`);
  applyWorkerSettings(found, worker);
}

function parsed(process: ProcessRec, { url, isMatch, directive }: Definition) {
  const result = parseWorkerUrl(url, process.runtimeDir, isMatch);
  if (typeof result === "string") throw errorAt(directive as Directive, `${directive.name} ${result}`);
  return result;
}

/**
 * A virtual host that mentions an inherited balancer has a record of its own, over the same members: members that it adds
 * itself are lost, as in httpd.
 */
function record(
  process: ProcessRec,
  records: Map<Draft, ProxyBalancer>,
  name: string,
  from: Draft,
  base: Draft | undefined,
): ProxyBalancer {
  const known = base === undefined ? records.get(from) : undefined;
  if (known !== undefined) return known;
  const balancer = new ProxyBalancer(name, (base ?? from).members);
  balancer.path = from.path ?? base?.path ?? "/";
  for (const { name: lost } of base === undefined ? [] : from.members) {
    const text = `${lost} is no member of ${name}: the virtual host has inherited the balancer as it is`;
    process.log.warn("proxy", "", text);
  }
  const { lbmethod: ofMain, ...inherited } = base?.settings ?? {};
  applyBalancerSettings(balancer, inherited);
  applyBalancerSettings(balancer, from.settings);
  if (ofMain !== undefined && ofMain !== "byrequests" && from.settings.lbmethod === undefined) {
    const text = `${name} elects by requests here: a virtual host that mentions it does not inherit lbmethod=${ofMain}`;
    process.log.warn("proxy", "", text);
  }
  if (base?.settings.failOnStatus !== undefined && from.settings.failOnStatus !== undefined) {
    balancer.params.failOnStatus = [...base.settings.failOnStatus, ...from.settings.failOnStatus];
  }
  const error = balancer.initialize(process.providers);
  if (error !== null) {
    const at = from.methodAt ?? from.at;
    const prefix = at.name === "Proxy" ? "<Proxy" : at.name === "ProxyPass" ? "ProxyPass" : "ProxySet:";
    const tellsName = balancer.lbmethod === null && at.name !== "ProxyPass";
    const suffix = tellsName ? ` lbmethod=${balancer.params.lbmethod}; ${balancer.name}` : "";
    const name = balancer.params.lbmethod;
    const methods = process.providers.names(lbmethod);
    const hint = tellsName ? (didYouMean(name, methods) ?? `there are ${methods.join(", ")}`) : undefined;
    throw errorAt(at as Directive, `${prefix} ${error}${suffix}`, { hint });
  }
  if (base === undefined) records.set(from, balancer);
  return balancer;
}

/** child_exit: closes the connections to backends that are idle. */
export function closePools(process: ProcessRec): void {
  for (const server of process.servers) {
    const state = getProxyServerState(server);
    if (state === undefined) continue;
    for (const worker of [
      ...state.workers,
      ...[...state.balancers.values()].flatMap((b) => b.members),
      state.reverse,
    ]) {
      // One that the next generation has, too, goes on.
      if (worker.home === process) worker.pool?.close();
    }
  }
}
