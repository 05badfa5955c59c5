/**
 * ProxyPass: which rule takes a request, and the URL it makes of it.
 * Source: httpd modules/proxy/mod_proxy.c (alias_match, alias_match_servlet, ap_proxy_trans_match), server/util.c
 * (ap_pregsub), modules/proxy/proxy_util.c (ap_proxy_strcmp_ematch)
 */
import { matchGroups } from "../config/regex.ts";
import type { MappedUrl, RequestRec } from "../core/records.ts";
import { authorityEnd } from "../server/uri.ts";

export interface ProxyPassRule {
  /** The path, or the text of the regex. */
  fake: string;
  regex: RegExp | null;
  /** Not expanded, as configured; `!` for a rule that declines. */
  url: string;
  decline: boolean;
  nocanon: boolean;
  interpolate: boolean;
  noquery: boolean;
  /** Anything but "none" is tried on the path before it is decoded. */
  mapping: "none" | "encoded" | "servlet";
  /** Where it is written. */
  file?: string;
  line?: number;
  /** `url` up to its path and from there on, once a request matched. */
  halves?: readonly [origin: string, path: string];
}

/** The backend URL that a request was mapped to, and its name as a file. */
export class Mapping implements MappedUrl {
  readonly origin: string;
  readonly path: string;
  readonly raw: boolean;
  readonly encoded: boolean;

  constructor(origin: string, path: string, raw: boolean, encoded: boolean) {
    this.origin = origin;
    this.path = path;
    this.raw = raw;
    this.encoded = encoded;
  }

  get filename(): string {
    return `proxy:${this.origin}${this.path}`;
  }
}

export class PassMatch extends Mapping {
  readonly rule: ProxyPassRule;
  /** nocanon was asked for, but the raw target does not match alike: AH01136, worth a warning. */
  readonly unsafeNocanon: boolean;
  /** mapping=servlet: the path without parameters and dot segments, for `<Location>` to see. */
  readonly servletPath: string | null;

  constructor(
    rule: ProxyPassRule,
    origin: string,
    path: string,
    raw: boolean,
    unsafeNocanon: boolean,
    servletPath: string | null,
  ) {
    super(origin, path, raw, rule.mapping !== "none");
    this.rule = rule;
    this.unsafeNocanon = unsafeNocanon;
    this.servletPath = servletPath;
  }
}

export interface PassRequest {
  /** In the early pass the normalised, still encoded path; in the normal pass the decoded one. */
  path: string;
  /** The request target as received, query included. */
  readonly rawTarget: string;
  /** The request environment; null unless ProxyPassInterpolateEnv is On. */
  env: ((name: string) => string | undefined) | null;
  /** What check_trans says of a match for the request `r`. */
  accept?: (match: PassMatch, r: RequestRec) => boolean;
  r?: RequestRec | null;
}

/** A rule matched, and it says not to proxy. */
export const PASS_DECLINED = "declined";
export type PassResult = PassMatch | typeof PASS_DECLINED | null;

/**
 * The rule for a request in one of the two passes: the section's own rule first, then the list in file order. A match
 * that `request.accept` refuses is as good as none.
 */
export function findPass(
  sectionRule: ProxyPassRule | null,
  rules: readonly ProxyPassRule[],
  early: boolean,
  request: PassRequest,
): PassResult {
  if (request.path.charCodeAt(0) !== 0x2f) return null; // OPTIONS *
  if (sectionRule !== null && (sectionRule.mapping !== "none") === early) {
    const result = matchPass(sectionRule, request);
    if (result !== null && accepted(result, request)) return result;
  }
  for (let i = 0; i < rules.length; i++) {
    const rule = rules[i]!;
    if ((rule.mapping !== "none") !== early) continue;
    const result = matchPass(rule, request);
    if (result !== null && accepted(result, request)) return result;
  }
  return null;
}

function accepted(result: PassMatch | typeof PASS_DECLINED, request: PassRequest): boolean {
  if (result === PASS_DECLINED || request.accept === undefined) return true;
  return request.accept(result, request.r as RequestRec);
}

/** One rule against one request, whatever the pass. */
export function matchPass(rule: ProxyPassRule, request: PassRequest): PassResult {
  const { path, env } = request;
  const interpolate = rule.interpolate && env !== null;
  if (rule.regex !== null)
    return matchRegex(rule, rule.regex, interpolate ? interpolateEnv(rule.url, env) : rule.url, request);

  const fake = interpolate ? interpolateEnv(rule.fake, env) : rule.fake;
  let length: number;
  let servletPath: string | null = null;
  if (rule.mapping === "servlet") {
    const match = aliasMatchServlet(path, fake);
    if (match === null) return null;
    length = match.length;
    servletPath = match.path;
  } else {
    length = aliasMatch(path, fake);
    if (length === 0) return null;
  }
  if (rule.decline) return PASS_DECLINED;

  const nocanon = rule.nocanon && rule.mapping !== "servlet";
  const raw = nocanon && aliasMatch(request.rawTarget, fake) === length;
  const subject = raw ? request.rawTarget : path;
  if (interpolate)
    return finish(rule, ...splitUrl(interpolateEnv(rule.url, env) + subject.slice(length)), raw, nocanon, servletPath);
  rule.halves ??= splitUrl(rule.url);
  const [origin, base] = rule.halves;
  // "/" to "/" is the usual rule: the path as it is.
  const rest = base === "/" && length === 1 ? subject : base + subject.slice(length);
  if (base !== "" || rest.charCodeAt(0) === 0x2f) return finish(rule, origin, rest, raw, nocanon, servletPath);
  return finish(rule, ...splitUrl(origin + rest), raw, nocanon, servletPath); // what follows a bare host may be a part of it
}

function matchRegex(rule: ProxyPassRule, regex: RegExp, url: string, request: PassRequest): PassResult {
  let groups = matchGroups(regex, request.path);
  if (groups === null) return null;
  if (rule.decline) return PASS_DECLINED;
  let subject = request.path;
  let raw = false;
  if (rule.nocanon) {
    const rawGroups = matchGroups(regex, request.rawTarget);
    if (rawGroups !== null) {
      groups = rawGroups;
      subject = request.rawTarget;
      raw = true;
    }
  }
  let found = expandGroups(url, groups);
  // No group used: `ProxyPassMatch \.gif$ http://h` means `ProxyPassMatch ^(.*\.gif)$ http://h$1`
  if (found === url) found += subject;
  return finish(rule, ...splitUrl(found), raw, rule.nocanon, null);
}

function finish(
  rule: ProxyPassRule,
  origin: string,
  path: string,
  raw: boolean,
  nocanon: boolean,
  servletPath: string | null,
): PassMatch {
  return new PassMatch(rule, origin, path, raw, nocanon && !raw, servletPath);
}

/** A URL up to its path and from there on; one without a scheme is a path. */
export function splitUrl(url: string): readonly [origin: string, path: string] {
  const scheme = url.indexOf("://");
  const at = scheme < 0 ? 0 : authorityEnd(url, scheme + 3);
  return [url.slice(0, at), url.slice(at)];
}

/**
 * How many bytes of `uri` a rule's path takes; 0: no match. A run of slashes matches a run of slashes, a path that
 * does not end in one has to end where a segment does.
 */
export function aliasMatch(uri: string, fake: string): number {
  const uriLength = uri.length;
  const fakeLength = fake.length;
  let u = 0;
  let f = 0;
  while (f < fakeLength) {
    const c = fake.charCodeAt(f++);
    if (u >= uriLength || uri.charCodeAt(u) !== c) return 0;
    u++;
    if (c === 0x2f) {
      while (f < fakeLength && fake.charCodeAt(f) === 0x2f) f++;
      while (u < uriLength && uri.charCodeAt(u) === 0x2f) u++;
    }
  }
  if (fakeLength > 0 && fake.charCodeAt(fakeLength - 1) !== 0x2f && u < uriLength && uri.charCodeAt(u) !== 0x2f)
    return 0;
  return u;
}

/**
 * mapping=servlet: as a servlet container sees paths, segment by segment, without `;parameters`, with dot segments
 * and doubled slashes gone (`..;` climbs too). `length` is what of `uri` the rule takes; parameters of the last
 * matched segment are left in the rest if more path follows. null: no match, or above the root.
 */
export function aliasMatchServlet(uri: string, fake: string): { length: number; path: string } | null {
  if (uri[0] !== "/" || fake[0] !== "/") return null;
  const names: string[] = [];
  const starts: number[] = [];
  let directory = true; // the normalised path ends in a slash
  for (let start = 0; start < uri.length; ) {
    start++; // the slash
    const end = indexOrEnd(uri, "/", start);
    const name = uri.slice(start, Math.min(end, indexOrEnd(uri, ";", start)));
    directory = true;
    if (name === "..") {
      if (names.pop() === undefined) return null;
      starts.pop();
    } else if (name !== "" && name !== ".") {
      names.push(name);
      starts.push(start);
      directory = end < uri.length;
    }
    start = end;
  }

  const wanted = fake.split("/").filter((segment) => segment !== "");
  const count = wanted.length;
  if (names.length < count || wanted.some((segment, i) => segment !== names[i])) return null;
  const fakeIsDirectory = fake.endsWith("/");
  const full = names.length === count;
  if (full && fakeIsDirectory && !directory) return null;

  let length: number;
  if (full) {
    length = uri.length;
    if (!fakeIsDirectory && uri.endsWith("/")) length--;
  } else {
    length = starts[count]!;
    if (!fakeIsDirectory) {
      const nameEnd = starts[count - 1]! + names[count - 1]!.length;
      length = uri[nameEnd] === ";" ? nameEnd : length - 1;
    }
  }
  return { length, path: names.length === 0 ? "/" : `/${names.join("/")}${directory ? "/" : ""}` };
}

function indexOrEnd(s: string, char: string, from: number): number {
  const index = s.indexOf(char, from);
  return index < 0 ? s.length : index;
}

/** `$0` to `$9` replaced; a backslash takes the special meaning from what follows it. Also for RewriteRule and others. */
export function expandGroups(template: string, groups: readonly string[]): string {
  let out = "";
  for (let i = 0; i < template.length; i++) {
    const c = template[i]!;
    const next = template[i + 1];
    if (c === "$" && next !== undefined && next >= "0" && next <= "9") {
      out += groups[Number(next)] ?? "";
      i++;
    } else if (c === "\\" && next !== undefined) {
      out += next;
      i++;
    } else {
      out += c;
    }
  }
  return out;
}

/** `${VAR}` from the environment; unset is empty, unterminated stays, values are not read again. */
export function interpolateEnv(text: string, env: (name: string) => string | undefined): string {
  let out = "";
  let copied = 0;
  for (;;) {
    const start = text.indexOf("${", copied);
    const end = start < 0 ? -1 : text.indexOf("}", start + 2);
    if (end < 0) return out + text.slice(copied);
    out += text.slice(copied, start) + (env(text.slice(start + 2, end)) ?? "");
    copied = end + 1;
  }
}

/** A worker named with a group in its host or port cannot keep connections: each URL is another backend. */
export function hasGroupInAuthority(name: string): boolean {
  const scheme = name.indexOf("://");
  return scheme >= 0 && /\$[0-9]/.test(name.slice(scheme + 3, authorityEnd(name, scheme + 3)));
}
