/**
 * What operators changed and the configuration says otherwise: in force until it is taken back, or a reload does that.
 */
import type { ProcessRec, ServerRec } from "../core/records.ts";
import type { ProxyBalancer } from "../proxy/balancer.ts";
import { balancersByPlace } from "../proxy/server_state.ts";
import {
  DISABLED,
  DRAIN,
  HC_FAIL,
  HOT_SPARE,
  HOT_STANDBY,
  IGNORE_ERRORS,
  type ProxyWorker,
  STOPPED,
} from "../proxy/worker.ts";
import { type Outcome, perform } from "./actions.ts";
import type { Action, Actor, Change } from "./audit.ts";
import { type BalancerSettings, balancerSettings, type MemberSettings, memberSettings } from "./settings.ts";

/** What is otherwise of a balancer, or of one of its members. */
export interface Override {
  /** null: the balancer itself. */
  readonly member: string | null;
  /** The member is not in the configuration. */
  readonly added: boolean;
  /** From what the configuration says to what is. */
  readonly changes: readonly Change[];
}

const members = new WeakMap<ProxyWorker, MemberSettings>();
const balancers = new WeakMap<ProxyBalancer, BalancerSettings>();

/** post_config, once what an operator changed is taken back, and before it is restored. */
export function rememberConfigured(process: ProcessRec, _previous: ProcessRec | null): void {
  for (const balancer of balancersByPlace(process).values()) {
    balancers.set(balancer, balancerSettings(balancer));
    for (const member of balancer.members) members.set(member, configuredSettings(member));
  }
}

/** Status and share are in a slot that other children may have changed already. */
function configuredSettings(member: ProxyWorker): MemberSettings {
  const { configuredStatus: status, configuredShare } = member;
  return {
    ...memberSettings(member),
    ignoreErrors: (status & IGNORE_ERRORS) !== 0,
    draining: (status & DRAIN) !== 0,
    disabled: (status & DISABLED) !== 0,
    stopped: (status & STOPPED) !== 0,
    standby: (status & HOT_STANDBY) !== 0,
    spare: (status & HOT_SPARE) !== 0,
    checkFailed: (status & HC_FAIL) !== 0,
    loadFactor: configuredShare.lbfactor / 100,
    lbset: configuredShare.lbset,
  };
}

export function overridesOf(balancer: ProxyBalancer): Override[] {
  const own = balancerOverrides(balancer);
  const found: Override[] = own.length === 0 ? [] : [{ member: null, added: false, changes: own }];
  for (const member of balancer.members) {
    const { displayName, added } = member;
    const changes = memberOverrides(member);
    if (added || changes.length > 0) found.push({ member: displayName, added, changes });
  }
  return found;
}

export function balancerOverrides(balancer: ProxyBalancer): Change[] {
  return differences(balancers.get(balancer), balancerSettings(balancer));
}

/** HC_FAIL is what checks find, too. */
export function memberOverrides(member: ProxyWorker): Change[] {
  const changes = differences(members.get(member), memberSettings(member));
  return changes.filter(({ name }) => name !== "checkFailed");
}

function differences<S extends object>(before: S | undefined, now: S): Change[] {
  if (before === undefined) return [];
  return (Object.keys(now) as (keyof S & string)[])
    .filter((name) => before[name] !== now[name])
    .map((name) => ({ name, before: before[name] as Change["before"], after: now[name] as Change["after"] }));
}

/** Makes a balancer and its members what the configuration says. Each change is one that can be taken back. */
export function forgetOverrides(server: ServerRec, actor: Actor, balancer: ProxyBalancer): Outcome[] {
  const actions = overridesOf(balancer).map(({ member, added, changes }): Action => {
    const { name } = balancer;
    if (member !== null && added) return { kind: "remove-member", balancer: name, member };
    const settings = Object.fromEntries(changes.map((change) => [change.name, change.before]));
    if (member === null) return { kind: "set-balancer", balancer: name, settings };
    return { kind: "set-member", balancer: name, member, settings };
  });
  return actions.map((action) => perform(server, actor, action));
}
