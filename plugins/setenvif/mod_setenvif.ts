/**
 * mod_setenvif: variables that depend on the request.
 * Source: httpd modules/metadata/mod_setenvif.c
 */
import {
  ArgumentError,
  byteString,
  type CommandContext,
  compileRegex,
  DECLINED,
  defineModule,
  type Expr,
  ExprFailure,
  expandGroups,
  getModuleConfig,
  headerParser,
  matchGroups,
  parseExpr,
  postReadRequest,
  type RequestRec,
  remoteName,
  requestSubject,
  type Status,
  splitWords,
  z,
} from "../../modules/mod.ts";

/** A variable that a match sets; null: it is removed. */
interface Feature {
  readonly name: string;
  readonly value: string | null;
}

type Test =
  /** `literal`: the pattern has nothing special in it, and the values no groups. */
  | { readonly attribute: Attribute; readonly literal: string; readonly ignoreCase: boolean }
  | { readonly attribute: Attribute; readonly regex: RegExp }
  | { readonly expr: Expr<boolean> };

interface SetEnvIf {
  readonly test: Test;
  readonly features: readonly Feature[];
  /** It stands in <Location> or the like: tried when the sections are known. */
  readonly inSection: boolean;
}

/** What is looked at. One object for one text, so that lines in a row look once. */
interface Attribute {
  valueOf(r: RequestRec): string;
}

interface Lines {
  readonly server: readonly SetEnvIf[];
  readonly section: readonly SetEnvIf[];
}

const setenvif = defineModule({
  name: "mod_setenvif",
  config: z.object({
    lines: z
      .array(z.custom<SetEnvIf>())
      .default([])
      .transform(
        (all): Lines => ({ server: all.filter((l) => !l.inSection), section: all.filter((l) => l.inSection) }),
      ),
  }),
  append: ["lines"],
  commands: ({ raw }) => [
    raw("SetEnvIf", "any", (cmd, args) => setEnvIf(cmd, args, false), "A header-name, regex and a list of variables."),
    raw(
      "SetEnvIfNoCase",
      "any",
      (cmd, args) => setEnvIf(cmd, args, true),
      "a header-name, regex and a list of variables.",
    ),
    raw("SetEnvIfExpr", "any", setEnvIfExpr, "an expression and a list of variables."),
    raw(
      "BrowserMatch",
      "any",
      (cmd, args) => browserMatch(cmd, args, false),
      "A browser regex and a list of variables.",
    ),
    raw(
      "BrowserMatchNoCase",
      "any",
      (cmd, args) => browserMatch(cmd, args, true),
      "A browser regex and a list of variables.",
    ),
  ],
  registerHooks({ hook }) {
    hook(postReadRequest, matchServer, { directivesOf: ["mod_setenvif"] });
    hook(headerParser, matchSections, { directivesOf: ["mod_setenvif"] });
  },
});
export default setenvif;

// ---- the lines

function setEnvIf(cmd: CommandContext, args: string, ignoreCase: boolean): string | undefined {
  const [attribute = "", ...rest] = splitWords(args, 1).map((word) => word.text);
  if (attribute === "") return `Missing header-field name for ${cmd.directive.name}`;
  return addLine(cmd, attribute, rest, ignoreCase);
}

function browserMatch(cmd: CommandContext, args: string, ignoreCase: boolean): string | undefined {
  const words = splitWords(args, 1).map((word) => word.text);
  return addLine(cmd, "User-Agent", words, ignoreCase);
}

function addLine(cmd: CommandContext, name: string, words: readonly string[], ignoreCase: boolean): string | undefined {
  const directive = cmd.directive.name;
  const [pattern = "", ...features] = words;
  if (pattern === "") return `Missing regular expression for ${directive}`;
  const attribute = attributeOf(name, ignoreCase);
  if (attribute === null) return `${directive}Header name regex could not be compiled.`;
  if (typeof attribute === "string") return attribute;
  const literal = literalOf(byteString(pattern));
  if (literal !== null) {
    return push(cmd, { attribute, literal: ignoreCase ? literal.toLowerCase() : literal, ignoreCase }, features);
  }
  let regex: RegExp;
  try {
    regex = compileRegex(byteString(pattern), { ignoreCase });
  } catch {
    return `${directive} regex could not be compiled.`;
  }
  return push(cmd, { attribute, regex }, features);
}

function setEnvIfExpr(cmd: CommandContext, args: string): string | undefined {
  const [text = "", ...features] = splitWords(args, 1).map((word) => word.text);
  if (text === "") return `Missing expression for ${cmd.directive.name}`;
  const parsed = parseExpr(text);
  if ("error" in parsed) throw new ArgumentError(`Could not parse expression "${text}": ${parsed.error}`, parsed);
  return push(cmd, { expr: parsed.expr }, features);
}

function push(cmd: CommandContext, test: Test, words: readonly string[]): string | undefined {
  const features = words.filter((word) => word !== "").map(featureOf);
  if (features.length === 0) return `Missing envariable expression for ${cmd.directive.name}`;
  cmd.push("lines", { test, features, inSection: cmd.scope.kind !== "server" });
  return undefined;
}

/** NAME=value, NAME (which is 1) or !NAME; a value that begins with "!" removes, too. */
function featureOf(word: string): Feature {
  const equals = word.indexOf("=");
  const name = byteString(equals < 0 ? word : word.slice(0, equals));
  const value = equals < 0 ? "" : byteString(word.slice(equals + 1));
  if (value !== "") return { name, value: value.startsWith("!") ? null : value };
  return name.startsWith("!") ? { name: name.slice(1), value: null } : { name, value: "1" };
}

/** The text that a pattern without special characters stands for; null: it needs a regular expression. */
function literalOf(pattern: string): string | null {
  let literal = "";
  for (let i = 0; i < pattern.length; i++) {
    let c = pattern[i]!;
    const special = ".^$|()[]*+?{}\\".includes(c);
    if (c === "\\") {
      c = pattern[++i] ?? "";
      if (c === "" || !".^$|()[]*+?{}\\".includes(c)) return null;
    } else if (special) return null;
    literal += c;
  }
  return literal;
}

// ---- what they look at

const SPECIAL: Readonly<Record<string, Attribute>> = {
  remote_addr: { valueOf: (r) => r.useragentIp },
  // Names are not looked up here (HostnameLookups Off): the address stands for the name.
  remote_host: { valueOf: remoteName },
  server_addr: { valueOf: (r) => r.conn.localIp },
  request_uri: { valueOf: (r) => r.uri },
  request_method: { valueOf: (r) => r.method },
  request_protocol: { valueOf: (r) => `HTTP/${Math.floor(r.protoNum / 1000)}.${r.protoNum % 1000}` },
};

/** Attributes that are fields or variables, by name in lower case. */
const named = new Map<string, Attribute>();

/** A string is an error; null: the name is a regular expression that is none. */
function attributeOf(name: string, ignoreCase: boolean): Attribute | string | null {
  const key = name.toLowerCase();
  if (Object.hasOwn(SPECIAL, key)) return SPECIAL[key]!;
  if (/^oid\(.*\)$/.test(key)) return `${name}: certificates of clients cannot be looked into`;
  const known = named.get(key);
  if (known !== undefined) return known;
  if (/^[-A-Za-z0-9_]*$/.test(name)) {
    const attribute: Attribute = { valueOf: (r) => r.headersIn.get(name) ?? r.getEnv(name) ?? "" };
    named.set(key, attribute);
    return attribute;
  }
  try {
    const regex = compileRegex(byteString(name), { ignoreCase });
    return { valueOf: (r) => lastFieldNamed(r, regex) };
  } catch {
    return null;
  }
}

function lastFieldNamed(r: RequestRec, regex: RegExp): string {
  let value = "";
  for (const [name, text] of r.headersIn) if (regex.test(name)) value = text;
  return value;
}

// ---- a request

function matchServer(r: RequestRec): Status {
  const { server } = getModuleConfig(r.server.config, setenvif).lines;
  if (server.length > 0) match(r, server);
  return DECLINED;
}

function matchSections(r: RequestRec): Status {
  const { section } = getModuleConfig(r.perDirConfig, setenvif).lines;
  if (section.length > 0) match(r, section);
  return DECLINED;
}

function match(r: RequestRec, lines: readonly SetEnvIf[]): void {
  let last: Attribute | null = null;
  let value = "";
  for (const { test, features } of lines) {
    let groups: readonly string[] | null;
    if ("expr" in test) {
      groups = matchExpr(r, test.expr);
    } else {
      // As in httpd, lines in a row that look at the same thing see what it was at the first of them.
      if (test.attribute !== last) {
        last = test.attribute;
        value = last.valueOf(r);
      }
      if ("regex" in test) groups = matchGroups(test.regex, value);
      else {
        if ((test.ignoreCase ? value.toLowerCase() : value).includes(test.literal)) setLiterally(r, features);
        continue;
      }
    }
    if (groups !== null) set(r, features, groups);
  }
}

/** What the expression's patterns matched; null: it does not hold, or cannot be evaluated. */
function matchExpr(r: RequestRec, expr: Expr<boolean>): readonly string[] | null {
  const subject = requestSubject(r);
  try {
    return expr.evaluate(subject) ? subject.groups : null;
  } catch (error) {
    if (error instanceof ExprFailure) return null;
    throw error;
  }
}

function setLiterally(r: RequestRec, features: readonly Feature[]): void {
  for (const { name, value } of features) {
    if (value === null) r.unsetEnv(name);
    else r.setEnv(name, value);
  }
}

function set(r: RequestRec, features: readonly Feature[], groups: readonly string[]): void {
  for (const { name, value } of features) {
    if (value === null) r.unsetEnv(name);
    else r.setEnv(name, expandGroups(value, groups));
  }
}
