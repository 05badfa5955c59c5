/**
 * Who may import whom, and where the runtime may be named. Run by test/imports.test.ts.
 *
 * Works on tokens, since typescript 7.0 has no stable JavaScript API: enough to tell imports and names from comments,
 * strings, templates and regular expressions, and no more.
 */

/** Path from the root of the repository, with `/` → source text. */
export type Sources = ReadonlyMap<string, string>;

/** A use that the rules forbid and we want all the same, with the reason. An entry that nothing needs is an error. */
export interface Exception {
  file: string;
  /** The runtime names (`Buffer`, `Date.now`, `node:fs`) or the imported file. */
  uses: readonly string[];
  why: string;
}

/** Folder of modules/ → the folders it may import beside itself. STYLE "Layout". */
const ORDER: Record<string, readonly string[]> = {
  core: [],
  config: ["core"],
  slotmem: ["core"],
  net: ["core"],
  server: ["core", "config"],
  http: ["core", "config", "server"],
  front: ["core", "net", "server", "http"],
  embed: ["core", "config", "slotmem", "net", "server", "http", "front"],
  mpm: ["core", "config", "slotmem", "net", "server", "http", "front", "embed", "watchdog"],
  watchdog: ["core", "config", "slotmem", "server"],
  proxy: ["core", "config", "slotmem", "net", "server", "http"],
  proxy_balancer: ["core", "config", "slotmem", "net", "server", "http", "proxy"],
  explain: ["core", "config", "net", "server", "http", "mpm", "watchdog", "proxy", "proxy_balancer"],
};

/** Where decisions are made: no `node:` import and no name of RUNTIME, so that the same code runs on any host. */
const PURE =
  /^(modules\/(core|config|slotmem|server|http|proxy|proxy_balancer)|plugins\/(lbmethod|sticky|remoteip|auth_forward))\/|^modules\/mod\.ts$/;
const RUNTIME = new Set(
  "process Bun Deno Buffer globalThis setTimeout setInterval setImmediate Date.now Math.random performance crypto".split(
    " ",
  ),
);
const BUFFER = /^(mod\.ts|modules\/main\.ts|modules\/(net|front|mpm)\/.*)$/;

/** Every violation, as `file:line: what`; none is the good answer. `packages`: what package.json lists to run. */
export function violations(sources: Sources, packages: readonly string[], exceptions: readonly Exception[] = []) {
  const found: { file: string; line: number; use: string; what: string }[] = [];
  const graph = new Map<string, string[]>();

  for (const [file, text] of sources) {
    const tokens = tokenize(text);
    const runtimeTargets: string[] = [];
    for (const { specifier, line, typeOnly } of imports(tokens)) {
      const target = resolve(file, specifier);
      const what = target === null ? bareError(file, specifier, packages) : fileError(file, target, sources, typeOnly);
      if (what) found.push({ file, line, use: target ?? specifier, what });
      if (target !== null && !typeOnly) runtimeTargets.push(target);
    }
    graph.set(file, runtimeTargets);
    for (const { name, line } of runtimeNames(tokens)) {
      if (PURE.test(file)) found.push({ file, line, use: name, what: `uses ${name}; decisions get it through a seam` });
      else if (name === "Buffer" && !BUFFER.test(file))
        found.push({ file, line, use: name, what: "uses Buffer outside net, front, mpm; use Uint8Array" });
    }
  }

  const needed = new Set<string>();
  const out = found.filter(({ file, use }) => {
    if (!exceptions.some((e) => e.file === file && e.uses.includes(use))) return true;
    needed.add(`${file} ${use}`);
    return false;
  });
  const lines = out.map(({ file, line, what }) => `${file}:${line}: ${what}`);
  for (const cycle of cycles(graph)) lines.push(`${cycle[0]}:1: runtime imports form a cycle: ${cycle.join(" → ")}`);
  for (const { file, uses } of exceptions)
    for (const use of uses)
      if (!needed.has(`${file} ${use}`)) lines.push(`${file}:1: the exception for ${use} is not needed any more`);
  return lines;
}

function bareError(file: string, specifier: string, packages: readonly string[]): string | null {
  if (/^(node|bun):/.test(specifier))
    return PURE.test(file) ? `imports ${specifier}; decisions get it through a seam` : null;
  const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  return packages.includes(name) ? null : `imports ${specifier}, which is not in "dependencies" of package.json`;
}

/** The contract of the socket seam: types alone, which any folder may name. */
const SEAM = "modules/net/socket.ts";

function fileError(file: string, target: string, sources: Sources, typeOnly: boolean): string | null {
  if (typeOnly && target === SEAM) return null;
  if (target === "package.json" && !PURE.test(file)) return null;
  if (!sources.has(target)) return `imports ${target}, which does not exist or is not part of the program`;
  return mayImport(file, target) ? null : `imports ${target}, against the order of the folders`;
}

function mayImport(file: string, target: string): boolean {
  if (!file.includes("/")) return true; // mod.ts, edge.ts, hono.ts
  if (!target.includes("/")) return false;
  const [top, folder, inFolder] = file.split("/");
  const [targetTop, targetFolder, targetInFolder] = target.split("/");
  if (top === "plugins") {
    if (inFolder === undefined) return targetTop === "plugins" || target === "modules/mod.ts"; // standard.ts
    return target === "modules/mod.ts" || (targetTop === "plugins" && targetFolder === folder);
  }
  if (targetTop !== "modules") return false;
  if (inFolder === undefined) return file === "modules/main.ts" || target !== "modules/main.ts"; // main.ts, mod.ts
  if (targetInFolder === undefined) return false;
  return targetFolder === folder || (ORDER[folder!] ?? []).includes(targetFolder!);
}

/** A relative specifier as a path from the root; null for a bare one. */
function resolve(file: string, specifier: string): string | null {
  if (!specifier.startsWith(".")) return null;
  return new URL(specifier, `file:///${file}`).pathname.slice(1);
}

/** Each cycle once, as found by the first file that leads into it; the first file is repeated at the end. */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string) => {
    const at = path.indexOf(file);
    if (at >= 0) found.push([...path.slice(at), file]);
    if (at >= 0 || done.has(file)) return;
    path.push(file);
    for (const target of graph.get(file) ?? []) visit(target);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return found;
}

interface Token {
  kind: "name" | "string" | "other";
  /** Of a string, what is between the quotes. */
  text: string;
  line: number;
}

interface Import {
  specifier: string;
  line: number;
  /** `import type`, `export type`, `typeof import()`. Not `import { type A }`, which still loads the file. */
  typeOnly: boolean;
}

/** Static and dynamic imports and re-exports. A dynamic import of something computed is not seen. */
export function imports(tokens: readonly Token[]): Import[] {
  const found: Import[] = [];
  const text = (i: number) => (tokens[i]?.kind === "string" ? "" : (tokens[i]?.text ?? ""));
  for (let i = 0; i < tokens.length; i++) {
    const word = text(i);
    if ((word !== "import" && word !== "export") || text(i - 1) === ".") continue;
    const add = (at: number, typeOnly: boolean) =>
      found.push({ specifier: tokens[at]!.text, line: tokens[at]!.line, typeOnly });
    let next = i + 1;
    if (word === "import") {
      if (tokens[next]?.kind === "string") add(next, false);
      if (text(next) === "(" && tokens[next + 1]?.kind === "string") add(next + 1, text(i - 1) === "typeof");
    }
    const typeOnly = text(next) === "type" && text(next + 1) !== "from" && text(next + 1) !== ",";
    if (typeOnly) next++;
    if (word === "export" && text(next) !== "{" && text(next) !== "*") continue;
    // The clause: names, braces, commas, a star; anything else means that this is no import from a file.
    while (tokens[next]?.kind === "name" || "{}*,".includes(text(next) || "-") || tokens[next]?.kind === "string") {
      if (text(next) === "from" && tokens[next + 1]?.kind === "string") {
        add(next + 1, typeOnly);
        break;
      }
      if (tokens[next]!.kind === "string") break;
      next++;
    }
  }
  return found;
}

/** Uses of the names in RUNTIME and of `new Date()` (as `Date.now`), not of properties or own names so called. */
function runtimeNames(tokens: readonly Token[]): { name: string; line: number }[] {
  const found: { name: string; line: number }[] = [];
  const text = (i: number) => (tokens[i]?.kind === "string" ? "" : (tokens[i]?.text ?? ""));
  const own = new Set<string>();
  for (let i = 0; i < tokens.length; i++) {
    if (tokens[i]!.kind !== "name") continue;
    const [before, word, after] = [text(i - 1), text(i), text(i + 1)];
    if (before === ".") continue;
    const declares = /^(const|let|var|function|class|interface|type|import|as)$/.test(before);
    const colon = after === "?" || after === "!" ? text(i + 2) : after; // `name?: T`, `name!: T`
    const isKey = colon === ":" && /^([{}(,;]|readonly|static|private|protected|public|override|)$/.test(before);
    if (declares || isKey) {
      if (declares || before === "(") own.add(word);
      continue;
    }
    if (after === "(" && /^([{};,]|async|static|private|get|set)$/.test(before) && isMethod(tokens, i + 1)) continue;
    let name = after === "." ? `${word}.${text(i + 2)}` : word;
    if (word === "Date" && before === "new" && !(after === "(" && text(i + 2) !== ")")) name = "Date.now";
    if (!RUNTIME.has(name)) name = word;
    if (RUNTIME.has(name) && !own.has(word)) found.push({ name, line: tokens[i]!.line });
  }
  return found;
}

/** Whether the parenthesis at `open` belongs to a method's declaration: `name(...) {` or `name(...): T`. */
function isMethod(tokens: readonly Token[], open: number): boolean {
  let depth = 0;
  for (let i = open; i < tokens.length; i++) {
    const text = tokens[i]!.kind === "other" ? tokens[i]!.text : "";
    if (text === "(") depth++;
    if (text === ")" && --depth === 0) return tokens[i + 1]?.text === "{" || tokens[i + 1]?.text === ":";
  }
  return false;
}

const NAME = /[\p{ID_Start}$_#][\p{ID_Continue}$]*/uy;
const NUMBER = /\d[\w.]*/y;
const STRING = /"(?:[^"\\\n]|\\[\s\S])*"?|'(?:[^'\\\n]|\\[\s\S])*'?/y;
const COMMENT = /\/\/.*|\/\*[\s\S]*?(?:\*\/|$)/y;
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
/** After these a slash starts a regular expression although they are names. */
const BEFORE_REGEX = /^(return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield)$/;

/** Comments are dropped; a template's text too, its expressions stay. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  const templates: number[] = []; // of each open `${`, the braces open within it
  let at = 0;
  let line = 1;

  const match = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0] ?? null;
  };
  const take = (kind: Token["kind"] | null, length: number, text = source.slice(at, at + length)) => {
    if (kind) tokens.push({ kind, text, line });
    for (const end = at + length; at < end; at++) if (source[at] === "\n") line++;
  };
  const template = () => {
    let end = at + 1;
    while (end < source.length && source[end] !== "`" && !source.startsWith("${", end))
      end += source[end] === "\\" ? 2 : 1;
    const opens = source.startsWith("${", end);
    if (opens) templates.push(0);
    // Stands where a value stands after its end, where an operator stands before an expression.
    take("other", end + (opens ? 2 : 1) - at, opens ? "${" : "`");
  };

  while (at < source.length) {
    const char = source[at]!;
    let text: string | null;
    if (/\s/.test(char)) take(null, 1);
    else if (char === "/" && (text = match(COMMENT))) take(null, text.length);
    else if (char === "/" && startsRegex(tokens.at(-1)) && (text = match(REGEX))) take("other", text.length, ")");
    else if ((char === '"' || char === "'") && (text = match(STRING))) take("string", text.length, text.slice(1, -1));
    else if (char === "`") template();
    else if (char === "}" && templates.at(-1) === 0) {
      templates.pop();
      template();
    } else if ((text = match(NAME))) take("name", text.length);
    else if ((text = match(NUMBER))) take("other", text.length);
    else {
      if (templates.length && char === "{") templates[templates.length - 1]!++;
      if (templates.length && char === "}") templates[templates.length - 1]!--;
      if (source.startsWith("...", at)) take("other", 3);
      else if (source.startsWith("?.", at)) take("other", 2, ".");
      else take("other", 1);
    }
  }
  return tokens;
}

function startsRegex(last: Token | undefined): boolean {
  if (!last) return true;
  if (last.kind === "name") return BEFORE_REGEX.test(last.text);
  return last.kind === "other" && !/^[)\]}`\d]/.test(last.text);
}
