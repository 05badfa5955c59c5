/**
 * The module record: all that a module adds to the server, and the vectors that hold its configuration.
 * Source: httpd include/http_config.h, struct module_struct
 */
import { type CommandRec, type CommandTable, commandTable } from "./command.ts";
import type { HookOrder, Hooks } from "./hooks.ts";
import type { ProviderGroup, Providers } from "./providers.ts";
import { type AnyObject, type ObjectSchema, object, type output } from "./schema.ts";

/** What a module needs of the host; a host without it refuses the module's directives. */
export type Capability = "sockets" | "udp" | "timers" | "threads" | "files";

/** What `registerHooks` is given: the server's hooks and providers. */
export class Registrar {
  readonly hooks: Hooks;
  readonly providers: Providers;

  constructor(hooks: Hooks, providers: Providers) {
    this.hooks = hooks;
    this.providers = providers;
  }

  hook: Hooks["hook"] = (key, fn, order: HookOrder = {}) => this.hooks.hook(key, fn, order);

  provider = <T>(group: ProviderGroup<T>, name: string, provider: T): void =>
    this.providers.register(group, name, provider);
}

/** Raw values of one scope, as directives wrote them; unset keys are absent. */
export type RawConfig = Record<string, unknown>;

export interface ModuleDefinition<S extends AnyObject> {
  /** The file's name without .ts: what LoadModule, IfModule, `before` and `after` say. */
  readonly name: string;
  /** The module's configuration: parsed once, after the raw values of all scopes were merged. @default nothing */
  readonly config?: S;
  /** Keys whose lists are joined, outer scope first, instead of replaced. */
  readonly append?: readonly (keyof output<S> & string)[];
  /** Keys that an inner scope does not take over from an outer one: unset there, they have their default. */
  readonly perScope?: readonly (keyof output<S> & string)[];
  readonly commands?: (kinds: CommandTable<keyof output<S> & string>) => readonly CommandRec[];
  readonly needs?: readonly Capability[];
  /** Of a module that ships: it takes part only if a LoadModule line names it. @default false */
  readonly onDemand?: boolean;
  registerHooks?(registrar: Registrar): void;
}

export interface Module<C = unknown> {
  readonly name: string;
  /** The module's place in every configuration vector. */
  readonly index: number;
  readonly config: AnyObject<C>;
  readonly append: readonly string[];
  readonly perScope: readonly string[];
  readonly commands: readonly CommandRec[];
  readonly needs: readonly Capability[];
  readonly onDemand: boolean;
  registerHooks?(registrar: Registrar): void;
}

/** The merged and parsed configuration of every module for one scope, by `Module.index`. */
export type ConfigVector = readonly unknown[];

let modules = 0;

/** Makes a module's record. Loading it is the server's business: its file has no side effects. */
export function defineModule<S extends AnyObject = ObjectSchema<Record<never, never>>>(
  definition: ModuleDefinition<S>,
): Module<output<S>> {
  return {
    name: definition.name,
    index: modules++,
    config: (definition.config ?? object({})) as unknown as AnyObject<output<S>>,
    append: definition.append ?? [],
    perScope: definition.perScope ?? [],
    commands: definition.commands?.(commandTable as CommandTable<keyof output<S> & string>) ?? [],
    needs: definition.needs ?? [],
    onDemand: definition.onDemand ?? false,
    ...(definition.registerHooks ? { registerHooks: definition.registerHooks.bind(definition) } : {}),
  };
}

/** The module's own configuration out of a vector. */
export function getModuleConfig<C>(vector: ConfigVector, module: Module<C>): C {
  return vector[module.index] as C;
}
