/**
 * Modules that ship, and are loaded once a configuration needs them: to load every one of them, whatever the configuration
 * says, was a third of the time from start to first answer. They count as loaded from the beginning, for <IfModule> and all
 * else that asks.
 */
import type { Module } from "./module.ts";

/** A module that is not loaded yet, or has been. */
export class LaterModule {
  readonly name: string;
  /** Whether a directive, "NAME ARGUMENTS", needs the module. Every name of its own directives does. */
  readonly wanted: RegExp;
  /** Null until `load` has ended. */
  module: Module | null = null;
  private readonly from: () => Promise<{ readonly default: unknown }>;

  constructor(name: string, wanted: RegExp, from: LaterModule["from"]) {
    this.name = name;
    this.wanted = wanted;
    this.from = from;
  }

  async load(): Promise<Module> {
    this.module ??= (await this.from()).default as Module;
    return this.module;
  }
}

/**
 * A module of a list of those that ship: loaded when a directive is `wanted`.
 * @param wanted matches "NAME ARGUMENTS"; that it matches too much costs time at the start, and nothing else
 */
export function later(name: string, wanted: RegExp, from: () => Promise<{ readonly default: unknown }>): LaterModule {
  return new LaterModule(name, wanted, from);
}

/** What ships, in load order. */
export type Shipped = readonly (Module | LaterModule)[];

/** Those that are loaded. */
export function loadedOf(shipped: Shipped): Module[] {
  return shipped.flatMap((one) => (one instanceof LaterModule ? (one.module ?? []) : one));
}

/** All of them, for who lists directives or reads more than one configuration. */
export function loadAll(shipped: Shipped): Promise<readonly Module[]> {
  return Promise.all(shipped.map((one) => (one instanceof LaterModule ? one.load() : one)));
}
