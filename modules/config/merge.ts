/**
 * Scopes merged: raw values of the outer scope, then of the inner ones, parsed by the module's schema once.
 * Source: httpd server/config.c, create_server_config, merge_dir_config
 */
import type { ConfigVector, Module, RawConfig } from "../core/module.ts";
import type { RawVector } from "../core/records.ts";

/** A later scope's value replaces an earlier one's, save for the lists that the module joins and for what is not inherited. */
export function mergeRaw(module: Module, scopes: readonly RawVector[]): RawConfig {
  const merged: RawConfig = {};
  for (const scope of scopes) {
    const raw = scope[module.index];
    if (raw === undefined) continue;
    for (const [key, value] of Object.entries(raw)) {
      if (module.perScope.includes(key) && scope !== scopes.at(-1)) continue;
      const before = merged[key];
      merged[key] = module.append.includes(key) && Array.isArray(before) ? [...before, ...(value as unknown[])] : value;
    }
  }
  return merged;
}

/**
 * The configuration of every module for these scopes, outermost first. Its objects are frozen, the vector is not: JavaScriptCore
 * looks an element of a frozen array up in a map, which was a tenth of a proxied request (Bun 1.4.4).
 */
export function mergeConfig(modules: readonly Module[], scopes: readonly RawVector[]): ConfigVector {
  const vector: unknown[] = [];
  for (const module of modules) vector[module.index] = Object.freeze(module.config.parse(mergeRaw(module, scopes)));
  return vector;
}

/** The same on top of a vector: modules that the added scopes do not mention keep their objects. */
export function mergeOnto(
  base: ConfigVector,
  modules: readonly Module[],
  scopes: readonly RawVector[],
  added: readonly RawVector[],
): ConfigVector {
  const vector = [...base];
  for (const module of modules) {
    if (!added.some((scope) => scope[module.index] !== undefined)) continue;
    vector[module.index] = Object.freeze(module.config.parse(mergeRaw(module, [...scopes, ...added])));
  }
  return vector;
}
