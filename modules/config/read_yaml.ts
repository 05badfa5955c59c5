/**
 * YAML text -> the tree that httpd.conf text gives too.
 *
 * A key is a directive name; a scalar is its argument line, by source text (`true` is On, `1.10` stays `1.10`); a list
 * repeats it; a mapping under a section is argument -> body, elsewhere key=value; a body may be a list of mappings.
 * The tree is raw: `${}`, Include and conditions are for preprocess().
 */
import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Scalar,
  visit,
} from "yaml";
import { ConfigError, type Directive, type NamedArg, quoteWord, splitWords } from "./directive.ts";
import { isBareSection, isHttpdSection } from "./section_names.ts";

/** Nodes read by way of aliases: far above any hand-written file, far below what a bomb makes of one kilobyte. */
const MAX_ALIASED_NODES = 100_000;

/** Levels of mappings and lists. */
const MAX_DEPTH = 100;

/** Their argument is an expression, which YAML's own quotes may enclose alone. */
function isCondition(name: string): boolean {
  return /^(else)?if$/i.test(name);
}

function asOneWord(args: string): string {
  return splitWords(args, 1).length > 1 ? quoteWord(args) : args;
}

/**
 * Reads one file. `isSection` adds to httpd's own sections; a name nobody knows is a directive.
 * @throws ConfigError
 */
export function readYaml(path: string, text: string, isSection?: (name: string) => boolean): Directive[] {
  return new Reader(path, text, (name) => isHttpdSection(name) || (isSection?.(name) ?? false)).read();
}

/** A key with its value; null is a value that the file left out. */
interface Entry {
  key: Scalar;
  name: string;
  value: Node | null;
}

interface Place {
  line: number;
  column: number;
}

class Reader {
  private readonly file: string;
  private readonly text: string;
  private readonly lines: readonly string[];
  private readonly counter = new LineCounter();
  private readonly isSection: (name: string) => boolean;
  /** Alias -> the node that had the anchor at that place; an anchor's name may be given again further down. */
  private readonly targets = new Map<Alias, Node>();
  private readonly resolving = new Set<Node>();
  private aliasedNodes = 0;
  private depth = 0;

  constructor(file: string, text: string, isSection: (name: string) => boolean) {
    this.file = file;
    this.text = text.replace(/^\uFEFF/, "");
    this.lines = this.text.split(/\r?\n/);
    this.isSection = isSection;
  }

  read(): Directive[] {
    const doc = this.parse();
    const error = doc.errors[0];
    if (error?.code === "MULTIPLE_DOCS")
      this.failAt(error.pos[0], "A configuration is one YAML document: remove the ---");
    if (error) this.failAt(error.pos[0], `YAML: ${error.message}`);

    const anchors = new Map<string, Node>();
    visit(doc, {
      Node: (_, node) => {
        if (isAlias(node)) {
          const target = anchors.get(node.source);
          if (target) this.targets.set(node, target);
        } else if (node.anchor) anchors.set(node.anchor, node as Node);
      },
    });
    return this.body(doc.contents as Node | null);
  }

  private parse() {
    try {
      // failsafe: every scalar is a string; what is true or null is for plainValue() to say
      return parseDocument(this.text, {
        schema: "failsafe",
        lineCounter: this.counter,
        prettyErrors: false,
        uniqueKeys: false,
        logLevel: "error", // "silent" would read the first of several documents without a word
      });
    } catch (e) {
      if (e instanceof RangeError) return this.failAt(0, "YAML: nested too deeply");
      throw e;
    }
  }

  /** A mapping of directives, or a list of such mappings. @param place as an error says it */
  private body(node: Node | null, place = "here"): Directive[] {
    return this.deref(node, (target) => {
      if (isNothing(target)) return [];
      if (isMap(target)) return this.entries(target.items).flatMap((entry) => this.directives(entry));
      if (isSeq(target)) {
        return (target.items as (Node | null)[]).flatMap((item) =>
          this.deref(item, (inner) =>
            isSeq(inner) ? this.failNode(inner, "A list of directives in a list") : this.body(inner, place),
          ),
        );
      }
      return this.failNode(target, `Expected directives ${place}: a mapping, or a list of mappings`);
    });
  }

  private directives(entry: Entry): Directive[] {
    if (this.isSection(entry.name)) return this.sections(entry, entry.value);
    return this.repeat(entry, entry.value, this.place(entry.key), false);
  }

  private sections(entry: Entry, value: Node | null): Directive[] {
    const { name } = entry;
    return this.deref(value, (target) => {
      const at = this.place(entry.key);
      if (isBareSection(name))
        return [this.directive(name, "", at, at.column, { body: this.body(target, `in <${name}>`) })];
      if (isSeq(target)) {
        return (target.items as (Node | null)[]).flatMap((item) =>
          this.deref(item, (inner) =>
            isSeq(inner) ? this.failNode(inner, `A list in the list of ${name}`) : this.sections(entry, inner),
          ),
        );
      }
      if (!isMap(target)) {
        const what = `${name} is a section: it needs a mapping of its argument to its directives`;
        return this.failNode(isNothing(target) ? entry.key : target, what);
      }
      return this.entries(target.items, "section").map((inner) => {
        const place = this.place(inner.key);
        const args = isCondition(name) ? asOneWord(inner.name) : inner.name;
        return this.directive(name, args, place, place.column, {
          body: this.body(inner.value, `in <${name} ${args}>`),
        });
      });
    });
  }

  /** A directive, or one for each item of the list `value`; an item's place is its own. */
  private repeat(entry: Entry, value: Node | null, at: Place, inList: boolean): Directive[] {
    const { name } = entry;
    return this.deref(value, (target) => {
      if (isSeq(target)) {
        if (inList) return this.failNode(target, `A list in the list of ${name}`);
        return (target.items as (Node | null)[]).flatMap((item) =>
          this.repeat(entry, item, item?.range ? this.place(item) : at, true),
        );
      }
      const start = target?.range ? this.place(target) : at;
      const argsColumn = start.line === at.line ? start.column : at.column;
      if (isMap(target)) {
        const entries = this.entries(target.items);
        if (name.toLowerCase() === "define") return this.defines(name, entries);
        return [this.directive(name, "", at, argsColumn, { named: entries.map((e) => this.namedArg(name, e)) })];
      }
      const quoted = isScalar(target) && (target.type === "QUOTE_DOUBLE" || target.type === "QUOTE_SINGLE");
      const args = isScalar(target) ? argumentLine(target) : "";
      return [this.directive(name, args, at, argsColumn + (quoted && start.line === at.line ? 1 : 0), {})];
    });
  }

  /** `define: { PORT: 8080 }` is `Define PORT 8080`; without a value it is a name for IfDefine. */
  private defines(name: string, entries: readonly Entry[]): Directive[] {
    return entries.map((entry) => {
      const { value } = this.namedArg(name, entry);
      const at = this.place(entry.key);
      const none = this.deref(entry.value, isNothing);
      return this.directive(name, none ? entry.name : `${entry.name} ${quoteWord(value)}`, at, at.column, {});
    });
  }

  private namedArg(directive: string, entry: Entry): NamedArg {
    const value = (node: Node | null, inList: boolean): string =>
      this.deref(node, (target) => {
        if (isSeq(target) && !inList)
          return (target.items as (Node | null)[]).map((item) => value(item, true)).join(",");
        if (isScalar(target)) return plainValue(target) ?? "";
        if (target === null) return "";
        return this.failNode(target, `${entry.name} of ${directive} takes one value (${directive} is no section)`);
      });
    return { key: entry.name, value: value(entry.value, false), ...this.place(entry.key) };
  }

  /**
   * The pairs of a mapping, those that `<<` brings in last, and less than the mapping's own. Names of directives and
   * parameters are case-blind, arguments of sections are not.
   */
  private entries(pairs: readonly Pair<unknown, unknown>[], kind: "names" | "section" = "names"): Entry[] {
    const found = new Map<string, Entry>();
    const merged: (Node | null)[] = [];
    for (const pair of pairs) {
      const key = this.deref(pair.key as Node | null, (node) => node);
      if (!isScalar(key))
        return this.failNode(key ?? (pair.value as Node | null), "A key must be a name, not a list or a mapping");
      const value = (pair.value as Node | null) ?? null;
      if (key.value === "<<" && key.type === "PLAIN") {
        merged.push(value);
        continue;
      }
      const name = argumentText(key);
      if (kind === "names" && !/^[^\s<>#"'][^\s<>]*$/.test(name))
        this.failNode(key, `${name === "" ? "An empty key" : `"${name}"`} is no name`);
      const id = kind === "section" ? name : name.toLowerCase();
      const before = found.get(id);
      if (before) {
        const { line, column } = this.place(before.key);
        const how = kind === "section" ? "to have both, write a list of mappings" : "to repeat it, write a list";
        this.failNode(key, `"${name}" stands here a second time, first on line ${line}, column ${column}; ${how}`);
      }
      found.set(id, { key, name, value });
    }
    for (const node of merged) this.merge(node, found, kind);
    return [...found.values()];
  }

  private merge(node: Node | null, into: Map<string, Entry>, kind: "names" | "section"): void {
    this.deref(node, (target) => {
      if (isSeq(target)) {
        for (const item of target.items) this.merge(item as Node | null, into, kind);
      } else if (isMap(target)) {
        for (const entry of this.entries(target.items, kind)) {
          const id = kind === "section" ? entry.name : entry.name.toLowerCase();
          if (!into.has(id)) into.set(id, entry);
        }
      } else this.failNode(target, "<< takes a mapping or a list of mappings");
    });
  }

  /** Calls `read` with the node that an alias stands for; refuses what would not end, or not soon. */
  private deref<T>(node: Node | null, read: (target: Node | null) => T): T {
    if (this.resolving.size > 0 && ++this.aliasedNodes > MAX_ALIASED_NODES) {
      this.failNode(node, `Aliases make more than ${MAX_ALIASED_NODES} nodes of this file`);
    }
    if (++this.depth > MAX_DEPTH) this.failNode(node, `Nested more than ${MAX_DEPTH} levels deep`);
    try {
      if (!isAlias(node)) return read(node);
      const target = this.targets.get(node);
      if (target === undefined) return this.failNode(node, `No anchor &${node.source} before this *${node.source}`);
      if (this.resolving.has(target)) return this.failNode(node, `*${node.source} contains itself`);
      this.resolving.add(target);
      try {
        return read(target);
      } finally {
        this.resolving.delete(target);
      }
    } finally {
      this.depth--;
    }
  }

  private directive(
    name: string,
    args: string,
    at: Place,
    argsColumn: number,
    more: { named?: NamedArg[]; body?: Directive[] },
  ): Directive {
    return { name, args, argsColumn, file: this.file, ...at, source: this.lines[at.line - 1] ?? "", ...more };
  }

  private place(node: Node): Place {
    return this.placeOf(node.range?.[0] ?? 0);
  }

  private placeOf(offset: number): Place {
    const { line, col } = this.counter.linePos(offset);
    return line === 0 ? { line: 1, column: 1 } : { line, column: col };
  }

  private failNode(node: Node | null, message: string): never {
    return this.failAt(node?.range?.[0] ?? 0, message);
  }

  private failAt(offset: number, message: string): never {
    const at = this.placeOf(offset);
    throw new ConfigError(message, {
      form: "B",
      position: { file: this.file, ...at },
      source: this.lines[at.line - 1] ?? "",
    });
  }
}

/** Whether a plain scalar is YAML's null: `key:`, `~`, `null`. */
function isNothing(node: Node | null): boolean {
  return node === null || (isScalar(node) && plainValue(node) === null);
}

/** A scalar's text: `true` is On, null is null, anything else and all that is quoted is itself. */
function plainValue(node: Scalar): string | null {
  const text = String(node.value ?? "");
  if (node.type !== "PLAIN" || node.tag !== undefined) return text;
  if (/^(|~|null|Null|NULL)$/.test(text)) return null;
  if (/^(true|True|TRUE)$/.test(text)) return "On";
  if (/^(false|False|FALSE)$/.test(text)) return "Off";
  return text;
}

/** A block scalar's lines are one argument line, as after httpd's backslash. */
function argumentText(node: Scalar): string {
  return String(node.value ?? "")
    .replace(/\s*\n\s*/g, " ")
    .trim();
}

function argumentLine(node: Scalar): string {
  const value = plainValue(node);
  return value === null || value === "On" || value === "Off" ? (value ?? "") : argumentText(node);
}
