/**
 * RewriteMap: names for other names, from a file or a function.
 * Source: httpd modules/mappers/mod_rewrite.c lookup_map, lookup_map_txtfile, select_random_value_part
 */
import { clientAddress, escapeUri } from "../../modules/mod.ts";
import type { RewriteContext } from "./context.ts";
import { unescapeUrl } from "./escape.ts";

export interface RewriteMap {
  /** null: the key is not there. */
  lookup(ctx: RewriteContext, key: string): string | null;
  /** The file that it reads; null: none. */
  readonly path: string | null;
}

const FUNCTIONS: Readonly<Record<string, (key: string) => string>> = {
  __proto__: null as never,
  toupper: (key) => key.replace(/[a-z]+/g, (letters) => letters.toUpperCase()),
  tolower: (key) => key.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()),
  escape: escapeUri,
  unescape: unescapeUrl,
};

/** The map that a RewriteMap line describes, or an error text. */
export function makeMap(name: string, source: string, resolvePath: (path: string) => string): RewriteMap | string {
  const match = /^(txt|rnd|int|prg|dbd|fastdbd):(.*)$/is.exec(source);
  const [, prefix = /^dbm/i.test(source) ? "dbm" : "txt", rest = source] = match ?? [];
  const type = prefix.toLowerCase();
  switch (type) {
    case "int": {
      const call = FUNCTIONS[rest];
      return call === undefined ? `RewriteMap: internal map not found:${rest}` : new FunctionMap(name, call);
    }
    case "txt":
    case "rnd":
      return new FileMap(name, resolvePath(rest), type === "rnd");
    default:
      return `RewriteMap: maps of type ${type} are not supported: use txt:, rnd: or int:`;
  }
}

class FunctionMap implements RewriteMap {
  readonly path = null;
  private readonly name: string;
  private readonly call: (key: string) => string;

  constructor(name: string, call: (key: string) => string) {
    this.name = name;
    this.call = call;
  }

  lookup(ctx: RewriteContext, key: string): string | null {
    const value = this.call(key);
    if (ctx.traceDepth >= 5) ctx.trace(5, `map lookup OK: map=${this.name} key=${key} -> val=${value}`);
    return value;
  }
}

/** A file of lines `key value`, read again when its time has changed. */
class FileMap implements RewriteMap {
  private readonly name: string;
  readonly path: string;
  private readonly random: boolean;
  private values: ReadonlyMap<string, string> = new Map();
  private readMs = -1;

  constructor(name: string, path: string, random: boolean) {
    this.name = name;
    this.path = path;
    this.random = random;
  }

  lookup(ctx: RewriteContext, key: string): string | null {
    if (!this.refresh(ctx)) return null;
    const found = this.values.get(key);
    if (found === undefined) {
      if (ctx.traceDepth >= 5) ctx.trace(5, `map lookup FAILED: map=${this.name}[txt] key=${key}`);
      return null;
    }
    if (ctx.traceDepth >= 5) ctx.trace(5, `map lookup OK: map=${this.name}[txt] key=${key} -> val=${found}`);
    if (!this.random) return found;
    const parts = found.split("|");
    const part = parts[Math.floor(ctx.r.conn.process.clock.random() * parts.length)]!;
    if (ctx.traceDepth >= 5) ctx.trace(5, `randomly chosen the subvalue \`${part}'`);
    return part === "" ? null : part;
  }

  private refresh(ctx: RewriteContext): boolean {
    const { files } = ctx.host;
    const info = files?.stat(this.path, true) ?? null;
    if (info !== null && info.modifiedMs === this.readMs) return true;
    try {
      if (files === null || info === null) throw new Error("No such file or directory");
      this.values = parseMap(files.read(this.path));
      this.readMs = info.modifiedMs;
      return true;
    } catch (error) {
      ctx.r.log.error("rewrite", "AH00661", `mod_rewrite: can't access text RewriteMap file ${this.path}`, {
        client: clientAddress(ctx.r.conn),
        error: (error as Error).message,
      });
      return false;
    }
  }
}

/** The first line of a key has it. A value ends at a blank; a line without one, or that begins with "#", is none. */
export function parseMap(text: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^([^\s#]\S*)\s+(\S+)/.exec(line);
    if (match !== null && !values.has(match[1]!)) values.set(match[1]!, match[2]!);
  }
  return values;
}
