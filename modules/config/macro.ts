/**
 * <Macro>, Use and UndefMacro: text with parameters, inserted where it is used.
 * Source: httpd modules/core/mod_macro.c
 */
import type { Directive, Word } from "./directive.ts";
import type { LogicalLine } from "./read_httpd.ts";

/** From httpd.conf a macro keeps its lines, which may open a section and leave it open; from YAML it keeps its tree. */
export type MacroContents = { readonly lines: readonly LogicalLine[] } | { readonly tree: readonly Directive[] };

export interface Macro {
  /** In lower case. */
  readonly name: string;
  readonly parameters: readonly string[];
  readonly contents: MacroContents;
  /** `defined on line 3 of "F"`. */
  readonly location: string;
}

export function describeMacro(macro: { name: string; location: string }): string {
  return `macro '${macro.name}' (${macro.location})`;
}

/** Throws a plain Error with httpd's text when a parameter is empty or named twice. */
export function checkParameters(
  macro: { name: string; location: string; parameters: readonly string[] },
  warn: (ahNumber: string, message: string) => void,
): void {
  const where = describeMacro(macro);
  macro.parameters.forEach((name, i) => {
    if (name === "") throw new Error(`${where}: empty argument #${i + 1} name`);
    if (!/^[$%@]/.test(name)) {
      warn(
        "AH02796",
        `${where}: argument name '${name}' (#${i + 1}) without expected prefix, better prefix argument names with one of '$%@'.`,
      );
    }
    const again = macro.parameters.indexOf(name, i + 1);
    if (again >= 0) {
      throw new Error(
        `argument name conflict in ${where}: argument '${name}': #${i + 1} and #${again + 1}, change argument names!`,
      );
    }
  });
}

/** The macro's name and its arguments, from the words of a Use line. Throws a plain Error with httpd's text. */
export function bindArguments(macro: Macro, words: readonly Word[]): (text: string) => string {
  if (words.length !== macro.parameters.length) {
    throw new Error(
      `${describeMacro(macro)} used with ${words.length} arguments instead of ${macro.parameters.length}`,
    );
  }
  const values = words.map((word) => word.text);
  return (text) => substitute(text, macro.parameters, values);
}

/**
 * Leftmost occurrence first, the longest parameter where several start together; what was inserted is not looked at
 * again. A parameter that begins with "@" is inserted in quotes.
 */
function substitute(text: string, parameters: readonly string[], values: readonly string[]): string {
  let out = "";
  for (let at = 0; ; ) {
    let found = text.length;
    let which = -1;
    parameters.forEach((name, i) => {
      const place = text.indexOf(name, at);
      if (place < 0 || place > found) return;
      if (place < found || which < 0 || name.length > parameters[which]!.length) [found, which] = [place, i];
    });
    out += text.slice(at, found);
    if (which < 0) return out;
    const value = values[which]!;
    out += parameters[which]!.startsWith("@") ? `"${value.replace(/["\\]/g, "\\$&")}"` : value;
    at = found + parameters[which]!.length;
  }
}

/** A tree macro's nodes with the parameters replaced, in the file name that says where it was used. */
export function substituteTree(
  tree: readonly Directive[],
  fill: (text: string) => string,
  file: string,
): readonly Directive[] {
  return tree.map((d) => ({
    ...d,
    file,
    name: fill(d.name),
    args: fill(d.args),
    ...(d.named && { named: d.named.map((n) => ({ ...n, value: fill(n.value) })) }),
    ...(d.body && { body: substituteTree(d.body, fill, file) }),
  }));
}
