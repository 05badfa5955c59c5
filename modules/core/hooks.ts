/**
 * Hooks: typed keys that modules join, and the runners that call what joined.
 * Source: httpd include/ap_hooks.h, server/config.c; APR-util hooks
 *
 * A key is a constant that its declaring file exports; the chain of functions lives in a server's `Hooks`, so that
 * several servers fit in one process. A runner stays synchronous until the first promise.
 */
import { DECLINED, OK, type Status } from "./status.ts";

/** Where a function stands among others of its hook when neither `before` nor `after` says. */
export type Rank = "reallyFirst" | "first" | "middle" | "last" | "reallyLast";

export interface HookOrder {
  /** @default "middle" */
  readonly rank?: Rank;
  /** Names of modules whose functions must run later than this one. */
  readonly before?: readonly string[];
  /** Names of modules whose functions must run earlier than this one. */
  readonly after?: readonly string[];
  /**
   * Names of modules: the function runs only in a configuration with a directive of one of them. For functions that without
   * one only find that out, request by request: eighteen of these were a tenth of a proxied request.
   */
  readonly directivesOf?: readonly string[];
}

type AnyFn = (...args: never[]) => unknown;
type Answer = Status | Promise<Status>;

/** Is told of an exception in a hook: module, hook, what was thrown and the hook's first argument. */
export type HookReport = (module: string, hook: string, error: unknown, subject: unknown) => void;

interface Entry {
  readonly fn: AnyFn;
  readonly module: string;
  readonly order: HookOrder;
}

interface Chain {
  readonly fns: readonly AnyFn[];
  readonly modules: readonly string[];
}

const EMPTY: Chain = { fns: [], modules: [] };
const RANKS: Readonly<Record<Rank, number>> = { reallyFirst: -10, first: 0, middle: 10, last: 20, reallyLast: 30 };
let keys = 0;

abstract class HookKey<A extends unknown[], R> {
  readonly name: string;
  readonly id: number;
  declare readonly signature: (...args: A) => R;

  constructor(name: string) {
    this.name = name;
    this.id = keys++;
  }

  /** Whether no module joined, so that callers can skip preparing arguments. */
  isEmpty(hooks: Hooks): boolean {
    return hooks.chain(this.id).fns.length === 0;
  }
}

// The runners pass four arguments whatever the hook takes: an array of them for each call costs more than most hooks do.
type Fn = (a: unknown, b?: unknown, c?: unknown, d?: unknown) => unknown;

/** The first answer that is not DECLINED is the answer of the chain. */
export class RunFirst<A extends unknown[]> extends HookKey<A, Answer> {
  /** Who answers a promise has not declined: it is the chain's answer as it is, and the caller's to catch. */
  readonly promiseDecides: boolean;

  constructor(name: string, promiseDecides: boolean) {
    super(name);
    this.promiseDecides = promiseDecides;
  }

  readonly run = ((hooks: Hooks, a: unknown, b?: unknown, c?: unknown, d?: unknown): Answer => {
    const chain = hooks.chain(this.id);
    return chain.fns.length === 0 ? DECLINED : step(hooks, this, true, chain, 0, a, b, c, d);
  }) as unknown as (hooks: Hooks, ...args: A) => Answer;
}

/** Every function runs until one answers other than OK or DECLINED. */
export class RunAll<A extends unknown[]> extends HookKey<A, Answer> {
  readonly run = ((hooks: Hooks, a: unknown, b?: unknown, c?: unknown, d?: unknown): Answer => {
    const chain = hooks.chain(this.id);
    return chain.fns.length === 0 ? OK : step(hooks, this, false, chain, 0, a, b, c, d);
  }) as unknown as (hooks: Hooks, ...args: A) => Answer;
}

/** Every function runs; answers do not matter. */
export class RunVoid<A extends unknown[]> extends HookKey<A, void> {
  readonly run = ((hooks: Hooks, a: unknown, b?: unknown, c?: unknown, d?: unknown): void => {
    const { fns, modules } = hooks.chain(this.id);
    for (let i = 0; i < fns.length; i++) {
      try {
        (fns[i] as Fn)(a, b, c, d);
      } catch (error) {
        hooks.report(modules[i]!, this.name, error, a);
      }
    }
  }) as unknown as (hooks: Hooks, ...args: A) => void;
}

/**
 * A hook whose first function to answer other than DECLINED decides.
 * @param options.promiseDecides for hooks that most requests wait in: three objects less for each than to look whether the
 *   promise resolves to DECLINED
 */
export function runFirst<A extends unknown[]>(name: string, options = { promiseDecides: false }): RunFirst<A> {
  return new RunFirst<A>(name, options.promiseDecides);
}

/** A hook that all functions serve until one refuses. */
export function runAll<A extends unknown[]>(name: string): RunAll<A> {
  return new RunAll<A>(name);
}

/** A hook that all functions serve. */
export function runVoid<A extends unknown[]>(name: string): RunVoid<A> {
  return new RunVoid<A>(name);
}

/** The chains of one server. */
export class Hooks {
  /** Replaced by the server with one that logs. */
  report: HookReport = (module, hook, error) => {
    throw new Error(`${module}, hook ${hook}`, { cause: error });
  };
  private readonly entries: Entry[][] = [];
  private readonly chains: (Chain | undefined)[] = [];
  private module = "core";
  /** The modules that have directives in the configuration; null: nobody has said. */
  private used: ReadonlySet<string> | null = null;

  /** Names the module on whose behalf `hook` is called from here on. */
  registering(module: string): void {
    this.module = module;
  }

  /**
   * Joins a hook.
   * @throws Error if `before` and `after` of the functions contradict each other, at the first run
   */
  hook<A extends unknown[], R>(
    key: HookKey<A, R>,
    fn: (...args: NoInfer<A>) => NoInfer<R>,
    order: HookOrder = {},
  ): void {
    const list = this.entries[key.id] ?? [];
    list.push({ fn: fn as AnyFn, module: this.module, order });
    this.entries[key.id] = list;
    this.chains[key.id] = undefined;
  }

  /** Leaves out what has nothing to do in a configuration. @param used names of the modules that it has directives of */
  configured(used: ReadonlySet<string>): void {
    this.used = used;
    this.chains.length = 0;
  }

  /** The functions of a hook in running order. */
  chain(id: number): Chain {
    return this.chains[id] ?? this.sort(id);
  }

  private sort(id: number): Chain {
    const entries = this.entries[id];
    const chain = entries === undefined ? EMPTY : inOrder(entries.filter((entry) => this.takesPart(entry)));
    this.chains[id] = chain;
    return chain;
  }

  private takesPart({ order: { directivesOf } }: Entry): boolean {
    return this.used === null || directivesOf === undefined || directivesOf.some((name) => this.used!.has(name));
  }
}

interface StepKey {
  readonly name: string;
  readonly promiseDecides?: boolean;
}

function step(
  hooks: Hooks,
  key: StepKey,
  first: boolean,
  chain: Chain,
  from: number,
  a: unknown,
  b: unknown,
  c: unknown,
  d: unknown,
): Answer {
  const { fns, modules } = chain;
  for (let i = from; i < fns.length; i++) {
    let answer: Answer;
    try {
      answer = (fns[i] as Fn)(a, b, c, d) as Answer;
    } catch (error) {
      hooks.report(modules[i]!, key.name, error, a);
      answer = 500;
    }
    if (typeof answer === "number") {
      if (answer !== DECLINED && (first || answer !== OK)) return answer;
      continue;
    }
    if (key.promiseDecides === true) return answer;
    return later(answer, hooks, key, first, chain, i, a, b, c, d);
  }
  return first ? DECLINED : OK;
}

// Not written where it is used: a closure in a function costs every call an object for the variables it holds.
function later(
  answer: Promise<Status>,
  hooks: Hooks,
  key: StepKey,
  first: boolean,
  chain: Chain,
  at: number,
  a: unknown,
  b: unknown,
  c: unknown,
  d: unknown,
): Promise<Status> {
  return answer.then(
    (status) =>
      status !== DECLINED && (first || status !== OK) ? status : step(hooks, key, first, chain, at + 1, a, b, c, d),
    (error: unknown) => {
      hooks.report(chain.modules[at]!, key.name, error, a);
      return 500;
    },
  );
}

/** By rank, then as registered; then moved as little as `before` and `after` demand. */
function inOrder(entries: readonly Entry[]): Chain {
  const rest = entries
    .map((entry, at) => ({ entry, at, rank: RANKS[entry.order.rank ?? "middle"] }))
    .sort((a, b) => a.rank - b.rank || a.at - b.at)
    .map(({ entry }) => entry);
  const sorted: Entry[] = [];
  while (rest.length > 0) {
    const next = rest.findIndex((entry) => !rest.some((other) => other !== entry && mustPrecede(other, entry)));
    if (next < 0) throw new Error(`Cannot order ${rest.map((e) => e.module).join(", ")}: before and after contradict`);
    sorted.push(...rest.splice(next, 1));
  }
  return { fns: sorted.map((e) => e.fn), modules: sorted.map((e) => e.module) };
}

function mustPrecede(one: Entry, other: Entry): boolean {
  return (one.order.before?.includes(other.module) ?? false) || (other.order.after?.includes(one.module) ?? false);
}
