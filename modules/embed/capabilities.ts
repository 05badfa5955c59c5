/**
 * Which directives of a configuration ask for what a host cannot give.
 */
import { commandsByName } from "../config/build.ts";
import { type ConfigError, type Directive, errorAt } from "../config/directive.ts";
import type { Module } from "../core/module.ts";
import { type Need, type Target, type TargetName, targets } from "./targets.ts";

/** What arguments ask for, whatever the module. */
const ARGUMENTS: readonly { readonly directive: RegExp; readonly args: RegExp; readonly need: Need }[] = [
  {
    directive: /^(proxypass|proxypassmatch|balancermember|proxyset|<?proxy)$/i,
    args: /\bunix:/i,
    need: "unix sockets",
  },
  { directive: /^(balancermember|proxyset|proxyhctemplate)$/i, args: /\bhcmethod=(?!none\b)/i, need: "sockets" },
  // Where there are none, the host speaks HTTP/2 to clients, or does not.
  { directive: /^protocols$/i, args: /\bh2c?\b/i, need: "sockets" },
  { directive: /^(errorlog|customlog|transferlog|globallog)$/i, args: /^(?!"?\/dev\/std)./, need: "writable files" },
  { directive: /^(balancerpersist|proxyhcstate)$/i, args: /^on$/i, need: "writable files" },
  { directive: /^stickycookiekey$/i, args: /\bfile:/i, need: "files" },
];

/** An error for each directive that needs what the target does not give, in file order; none is the good answer. */
export function unmetNeeds(tree: readonly Directive[], modules: readonly Module[], name: TargetName): ConfigError[] {
  const commands = commandsByName(modules);
  const target = targets[name];
  const errors: ConfigError[] = [];
  const walk = (body: readonly Directive[]): void => {
    for (const directive of body) {
      const module = commands.get(directive.name.toLowerCase())?.module;
      const need = needsOf(directive, module).find((one) => !target.gives.has(one));
      if (need !== undefined) errors.push(unmet(directive, need, name, target));
      if (directive.body !== undefined) walk(directive.body);
    }
  };
  walk(tree);
  return errors;
}

function needsOf(directive: Directive, module: Module | undefined): readonly Need[] {
  const needs: Need[] = [...(module?.needs ?? [])];
  const args = [directive.args, ...(directive.named ?? []).map(({ key, value }) => `${key}=${value}`)];
  for (const rule of ARGUMENTS) {
    if (rule.directive.test(directive.name) && args.some((text) => rule.args.test(text))) needs.push(rule.need);
  }
  return needs;
}

function unmet(directive: Directive, need: Need, name: TargetName, target: Target): ConfigError {
  const written = directive.body === undefined ? directive.name : `<${directive.name}>`;
  return errorAt(directive, `${written} needs ${need}, which the host "${name}" does not give`, {
    hint: `Source: ${target.source}`,
  });
}
