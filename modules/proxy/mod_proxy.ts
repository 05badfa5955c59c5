/**
 * mod_proxy: which requests go to a backend, to which, and under what conditions.
 * Long for its directives, most of a few lines; what they name becomes records in definitions.ts.
 * Source: httpd modules/proxy/mod_proxy.c
 */
import { didYouMean, splitWords } from "../config/directive.ts";
import { compileRegex } from "../config/regex.ts";
import { atoi, intervalOrInt, parseInterval } from "../config/units.ts";
import { ArgumentError, type CommandContext } from "../core/command.ts";
import { defineModule } from "../core/module.ts";
import { compileGlob } from "../server/glob.ts";
import * as server from "../server/hooks.ts";
import { splitUnixUrl } from "../server/uri.ts";
import { proxyConfigSchema, proxyModuleRef } from "./config.ts";
import { buildStates, closePools, type Definition, definitionsOf } from "./definitions.ts";
import { tellElsewhere } from "./elsewhere.ts";
import { proxyFixups, proxyHandler } from "./handler.ts";
import { healthContext } from "./health_check.ts";
import { inheritWorkers } from "./inherit.ts";
import {
  type BalancerSettings,
  paramHint,
  parseBalancerParam,
  parseWorkerParam,
  type WorkerSettings,
} from "./params.ts";
import type { ProxyPassRule } from "./pass.ts";
import { forgetChild } from "./slots.ts";
import { preTranslate, translate, walkProxySections } from "./translate.ts";
import { INVALID_UNIX, parseWorkerUrl } from "./worker_url.ts";

const proxy = defineModule({
  name: "mod_proxy",
  config: proxyConfigSchema,
  append: ["passes", "reverses", "cookiePaths", "cookieDomains"],
  needs: ["timers"],
  commands: ({ flag, take1, take23, iterate, raw, params, section }) => [
    params("ProxyPass", "any", ["path", "url"], proxyPass, "a virtual path and a URL"),
    params("ProxyPassMatch", "any", ["path", "url"], proxyPassMatch, "a virtual path and a URL"),
    params(
      "ProxyPassReverse",
      "any",
      ["path", "url"],
      proxyPassReverse,
      "a virtual path and a URL for reverse proxy behaviour",
    ),
    take23("ProxyPassReverseCookiePath", "any", cookiePath, "Path rewrite rule for proxying cookies"),
    take23("ProxyPassReverseCookieDomain", "any", cookieDomain, "Domain rewrite rule for proxying cookies"),
    flag("ProxyPassInterpolateEnv", "any", "interpolateEnv", "Interpolate Env Vars in reverse Proxy"),
    flag("ProxyPassInherit", "server", "passInherit", "on to inherit the workers and balancers of the main server"),
    flag("BalancerInherit", "server", "balancerInherit", "on to inherit the balancers of the main server"),
    params("BalancerMember", "any", ["url"], balancerMember, "A balancer name and scheme with list of params"),
    params("ProxySet", "any", ["url"], proxySet, "A balancer or worker name with list of params"),
    section(
      "Proxy",
      "server",
      proxySection,
      "Container for directives affecting resources located in the proxied location",
    ),
    section(
      "ProxyMatch",
      "server",
      proxyMatchSection,
      "Container for directives affecting proxied resources that match",
    ),
    flag("ProxyRequests", "server", proxyRequests, "on if the true proxy requests should be accepted"),
    flag("ProxyPreserveHost", "any", "preserveHost", "on if we should preserve host header while proxying"),
    flag("ProxyAddHeaders", "any", "addHeaders", "on if X-Forwarded-* headers should be added or completed"),
    flag(
      "Proxy100Continue",
      "any",
      "proxy100Continue",
      "on if 100-Continue should be forwarded to the origin server, off if the proxy should handle it by itself",
    ),
    take1("ProxyVia", "server", setVia, "Configure Via: proxy header header to one of: on | off | block | full"),
    take1(
      "ProxyTimeout",
      "server",
      setTimeoutMs,
      "Set the timeout (in seconds) for a proxied connection. This overrides the server timeout",
    ),
    iterate(
      "ProxyErrorOverride",
      "any",
      setErrorOverride,
      "use our error handling pages instead of the servers' we are proxying",
    ),
    take1(
      "ProxyMaxForwards",
      "server",
      setMaxForwards,
      "The maximum number of proxies a request may be forwarded through.",
    ),
    take1(
      "ProxyBadHeader",
      "server",
      setBadHeader,
      "How to handle bad header line in response: IsError | Ignore | StartBody",
    ),
    take1("ProxyIOBufferSize", "server", setIoBufferSize, "The size of the buffer for reads, in bytes", {
      noEffect: "reads are as large as the runtime makes them",
    }),
    take1(
      "ProxyReceiveBufferSize",
      "server",
      setReceiveBufferSize,
      "Receive buffer size for outgoing HTTP and FTP connections in bytes",
      { noEffect: "the runtimes' sockets have no SO_RCVBUF" },
    ),
    // What tutorials write, although httpd has no such directive.
    take1("Stickysession", "proxy", strayStickySession, "the name of the session cookie", {
      differs: "httpd refuses it",
    }),
    raw("MaxRequestPerChild", "proxy", strayMaxRequests, "a number of requests", {
      noEffect: "httpd refuses it",
    }),
    take1("BalancerGrowth", "server", balancerGrowth, "Number of additional Balancers that can be added post-config", {
      noEffect: "it reserves room for balancers that nothing in httpd adds either",
    }),
  ],
  registerHooks({ hook }) {
    hook(server.checkConfig, buildStates, { rank: "middle" });
    // Before others look at workers and balancers.
    hook(server.postConfig, inheritWorkers, { rank: "first" });
    hook(server.childInit, tellElsewhere);
    hook(server.childExit, closePools);
    hook(server.childDied, forgetChild);
    hook(server.preTranslateName, preTranslate, { rank: "first" });
    hook(server.translateName, translate, { rank: "first" });
    hook(server.mapToStorage, walkProxySections, { rank: "first" });
    hook(server.fixups, proxyFixups, { rank: "first" });
    hook(server.handler, proxyHandler, { rank: "first" });
  },
});
export default proxy;
proxyModuleRef.module = proxy;

type Words = readonly string[];

function proxyPass(cmd: CommandContext, words: Words): string | undefined {
  return addPass(cmd, words, false);
}

function proxyPassMatch(cmd: CommandContext, words: Words): string | undefined {
  return addPass(cmd, words, true);
}

function addPass(cmd: CommandContext, given: Words, isMatch: boolean): string | undefined {
  const { scope } = cmd;
  const words = [...given];
  const inSection = scope.kind !== "server";
  const misplaced = outOfPlace(cmd, isMatch ? "ProxyPassMatch" : "ProxyPass");
  if (misplaced !== null) return misplaced;
  let regexWanted = isMatch;
  let fake: string | undefined;
  if (inSection) {
    fake = scope.arg;
    // The section's text is a literal prefix for ProxyPass, unless wildcards make it a pattern.
    regexWanted = isMatch || (scope.kind !== "proxy" && /[*?[]/.test(scope.arg));
  } else {
    if (words[0] === "~") {
      if (isMatch) return "ProxyPassMatch invalid syntax ('~' usage).";
      regexWanted = true;
      words.shift();
    }
    fake = words.shift();
  }
  const url = words.shift();
  if (fake === undefined || url === undefined) {
    return "ProxyPass|ProxyPassMatch needs a path when not defined in a location";
  }
  let regex: RegExp | null = null;
  if (regexWanted) {
    try {
      regex = compileRegex(fake);
    } catch (error) {
      return `Regular expression could not be compiled: ${(error as Error).message}`;
    }
  }
  const unix = splitUnixUrl(url);
  if (unix !== null && "error" in unix) return `ProxyPass|ProxyPassMatch ${INVALID_UNIX}`;
  const rule: ProxyPassRule = {
    fake,
    regex,
    // The socket is the worker's: a request finds the worker by the URL behind it.
    url: unix?.url ?? url,
    decline: url === "!",
    nocanon: false,
    interpolate: false,
    noquery: false,
    mapping: "none",
    file: cmd.directive.file,
    line: cmd.directive.line,
  };
  const params: [key: string, value: string][] = [];
  for (const word of words) {
    const eq = word.indexOf("=");
    const key = (eq < 0 ? word : word.slice(0, eq)).toLowerCase();
    if (eq < 0) {
      if (key === "nocanon") rule.nocanon = true;
      else if (key === "interpolate") rule.interpolate = true;
      else if (key === "noquery") rule.noquery = true;
      else if (inSection && url.startsWith("/"))
        return "ProxyPass|ProxyPassMatch can not have a path when defined in a location.";
      else return "Invalid ProxyPass|ProxyPassMatch parameter. Parameter must be in the form 'key=value'.";
    } else if (key === "mapping") {
      const value = word.slice(eq + 1).toLowerCase();
      if (value !== "encoded" && value !== "servlet") return "unknown mapping";
      rule.mapping = value;
    } else {
      params.push([word.slice(0, eq), word.slice(eq + 1)]);
    }
  }
  if (scope.kind === "proxy") {
    cmd.remark({ noEffect: "in <Proxy>, which a request is in only once it was passed" });
    return undefined;
  }
  if (!rule.decline) {
    const error = define(cmd, "ProxyPass", {
      kind: isBalancer(url) ? "balancer" : "worker",
      url,
      params: lastOfEach(params),
      isMatch: regexWanted,
      path: fake,
    });
    if (error !== undefined) return error;
  }
  if (inSection) cmd.set("sectionPass", rule);
  else cmd.push("passes", rule);
  return undefined;
}

/** Why a mapping may not stand here; null if it may. */
function outOfPlace(cmd: CommandContext, name: string): string | null {
  const { kind, section } = cmd.scope;
  if (cmd.limited !== null) return `${name} cannot occur within <Limit> or <LimitExcept> section`;
  return kind === "if" || kind === "none" ? `${name} cannot occur within <${section}> section` : null;
}

/**
 * Notes a worker or balancer and what a line sets of it. Answers an error in httpd's words.
 * @param by the directive, as its errors begin
 * @throws ArgumentError of a parameter
 */
function define(
  cmd: CommandContext,
  by: string,
  what: Pick<Definition, "kind" | "url" | "params"> & Partial<Definition>,
  /** What is added to the error of a parameter. */
  told: (key: string, value: string) => string = () => "",
): string | undefined {
  const { kind, url, params, isMatch = false, balancer = "", path = null } = what;
  const worker: WorkerSettings = {};
  const whole: BalancerSettings = {};
  const error = urlError(kind, url, isMatch);
  if (error !== null) return `${by} ${error}`;
  const ofBalancer = isWhole(kind, url);
  const health = cmd.hasModule("mod_proxy_hcheck") ? healthContext(cmd.server) : null;
  for (const [key, value] of params) {
    const error = ofBalancer ? parseBalancerParam(whole, key, value) : parseWorkerParam(worker, key, value, health);
    if (error !== null) {
      const hint = error.startsWith("unknown") ? paramHint(key, ofBalancer, health !== null) : undefined;
      throw new ArgumentError(`${by} ${error}${told(key, value)}`, { text: `${key}=${value}`, column: 1 }, hint);
    }
    remarkParam(cmd, key.toLowerCase(), value, ofBalancer);
  }
  if (!ofBalancer) remarkScheme(cmd, url);
  const { directive } = cmd;
  definitionsOf(cmd.server, proxy).push({ kind, url, isMatch, balancer, path, worker, whole, params, directive });
  return undefined;
}

/** Why nothing can be defined for a URL, null if it can. */
function urlError(kind: Definition["kind"], url: string, isMatch: boolean): string | null {
  if (isWhole(kind, url)) return balancerNameError(url);
  const parsed = parseWorkerUrl(url, "", isMatch);
  return typeof parsed === "string" ? parsed : null;
}

/** What is defined is a balancer, and no worker. */
function isWhole(kind: Definition["kind"], url: string): boolean {
  return kind === "balancer" || (kind === "set" && isBalancer(url));
}

function balancerNameError(url: string): string | null {
  if (!/^balancer:\/\//i.test(url)) return `Bad syntax for a balancer name (${url})`;
  return /^balancer:\/\/(\/|$)/i.test(url) ? "Bad syntax for a balancer name (balancer://)" : null;
}

/** Times whose unit httpd drops. */
const TIMES: Readonly<Record<"worker" | "balancer", readonly string[]>> = {
  worker: ["retry", "ttl", "timeout", "flushwait"],
  balancer: ["timeout"],
};

function remarkParam(cmd: CommandContext, key: string, value: string, ofBalancer: boolean): void {
  if (key === "receivebuffersize" && !ofBalancer)
    cmd.remark({ differs: "receivebuffersize has no effect: the runtimes' sockets have no SO_RCVBUF" });
  if (!TIMES[ofBalancer ? "balancer" : "worker"].includes(key) || /^\s*[+-]?\d+\s*$/.test(value)) return;
  if (parseInterval(value, "s") !== undefined)
    cmd.remark({ differs: `${key}=${value}: the unit counts; httpd drops it` });
  else cmd.warn("", `${key}=${value} is read as ${atoi(value)}, as by httpd: units are ms, s, min and h`);
}

/** Schemes that httpd has a module for, and sluice has not. */
const SCHEMES_ELSEWHERE: Readonly<Record<string, string>> = {
  ajp: "mod_proxy_ajp",
  fcgi: "mod_proxy_fcgi",
  h2: "mod_proxy_http2",
  h2c: "mod_proxy_http2",
  scgi: "mod_proxy_scgi",
  uwsgi: "mod_proxy_uwsgi",
};

function remarkScheme(cmd: CommandContext, url: string): void {
  const scheme = /^(?:unix:[^|]*\|)?([a-z]\w*):/i.exec(url)?.[1]?.toLowerCase() ?? "";
  const module = SCHEMES_ELSEWHERE[scheme];
  if (module === undefined) return;
  const noEffect = `sluice has no ${module}: requests that go to ${scheme}:// are answered with 500`;
  cmd.remark({ noEffect });
  cmd.warn("", noEffect);
}

function isBalancer(url: string): boolean {
  return /^balancer:/i.test(url);
}

function proxyPassReverse(cmd: CommandContext, words: Words): string | undefined {
  const misplaced = outOfPlace(cmd, "ProxyPassReverse");
  if (misplaced !== null) return misplaced;
  if (words.length === 0 || words.length > 3)
    return "ProxyPassReverse takes one, two or three arguments, a virtual path and a URL for reverse proxy behaviour";
  const inSection = cmd.scope.kind === "location";
  const [path, url] = inSection ? [cmd.scope.arg, words[0]!] : words;
  const third = words[inSection ? 1 : 2];
  if (inSection && words.length > 1 && !isInterpolate(third))
    return "ProxyPassReverse can not have a path when defined in a location";
  if (url === undefined || (!inSection && words.length === 2 && isInterpolate(url)))
    return "ProxyPassReverse needs a path when not defined in a location";
  cmd.push("reverses", { path, url, interpolate: isInterpolate(third) });
  return undefined;
}

function cookiePath(cmd: CommandContext, internal: string, pub: string, third?: string): string | undefined {
  return addCookie(cmd, "cookiePaths", internal, pub, third);
}

function cookieDomain(cmd: CommandContext, internal: string, pub: string, third?: string): string | undefined {
  return addCookie(cmd, "cookieDomains", internal, pub, third);
}

function addCookie(cmd: CommandContext, key: string, internal: string, pub: string, third?: string): undefined {
  cmd.push(key, { internal, public: pub, interpolate: isInterpolate(third) });
}

/** Another word in its place means nothing, as in httpd. */
function isInterpolate(word: string | undefined): boolean {
  return word?.toLowerCase() === "interpolate";
}

function balancerMember(cmd: CommandContext, words: Words): string | undefined {
  const plain = words.filter((word) => !word.includes("="));
  const inSection = cmd.scope.kind !== "server";
  if (inSection && plain.length > 1) return "BalancerMember can not have a balancer name when defined in a location";
  if (plain.length > 2) return notKeyValue("BalancerMember");
  const [balancer, url] = inSection ? [cmd.scope.arg, plain[0]] : plain;
  if (balancer === undefined) return "BalancerMember must define balancer name when outside <Proxy > section";
  if (url === undefined) {
    const near = pairs(words).find(([key]) => didYouMean(key, ["url"]) !== undefined);
    if (near === undefined) return "BalancerMember must define remote proxy server";
    const at = { text: near.join("="), column: 1 };
    throw new ArgumentError("BalancerMember must define remote proxy server", at, `${near[0]}: did you mean url?`);
  }
  const unfit = balancerNameError(balancer);
  if (unfit !== null) return `BalancerMember ${unfit}`;
  return define(cmd, "BalancerMember", { kind: "member", url, params: lastOfEach(pairs(words)), balancer });
}

function notKeyValue(directive: string): string {
  return `Invalid ${directive} parameter. Parameter must be in the form 'key=value'`;
}

function pairs(words: Words): (readonly [string, string])[] {
  return words
    .filter((word) => word.includes("="))
    .map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)] as const);
}

/**
 * httpd keeps the parameters of a BalancerMember and a ProxyPass in a table: of a key that comes again the last value counts,
 * in the place of the first. Those of ProxySet and <Proxy> are set one after the other.
 */
function lastOfEach(params: readonly (readonly [string, string])[]): (readonly [string, string])[] {
  const table = new Map<string, readonly [string, string]>();
  for (const [name, value] of params) {
    const key = name.toLowerCase();
    table.set(key, [table.get(key)?.[0] ?? name, value]);
  }
  return [...table.values()];
}

function proxySet(cmd: CommandContext, words: Words): string | undefined {
  const url = cmd.scope.kind === "proxy" ? cmd.scope.arg : words[0];
  const rest = cmd.scope.kind === "proxy" ? words : words.slice(1);
  return setParams(cmd, url ?? "", rest, cmd.scope.kind === "proxy" ? "in section" : "outside");
}

/** @param by the directive, as the errors of its parameters begin */
function setParams(
  cmd: CommandContext,
  url: string,
  words: Words,
  place: "in section" | "outside",
  by: "ProxySet:" | "<Proxy" = "ProxySet:",
): string | undefined {
  const params: (readonly [string, string])[] = [];
  for (const word of words) {
    if (!word.includes("=")) {
      return notKeyValue(by.replace(/\W/, ""));
    }
    params.push([word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]);
  }
  const kind = place === "outside" ? "set" : isBalancer(url) ? "balancer" : "worker";
  const unfit = urlError(kind, url, false);
  if (unfit !== null) {
    if (place === "outside") return `ProxySet can not find '${url}' ${isBalancer(url) ? "Balancer" : "Worker"}.`;
    return `${by.replace(":", "")} ${unfit}`;
  }
  return define(cmd, by, { kind, url, params }, (key, value) => ` ${key}=${value}; ${url}`);
}

function proxySection(cmd: CommandContext, args: string): string | undefined {
  const words = splitWords(args, 1).map((word) => word.text);
  return openProxy(cmd, "Proxy", words[0], words.slice(1), false);
}

function proxyMatchSection(cmd: CommandContext, args: string): string | undefined {
  const words = splitWords(args, 1).map((word) => word.text);
  return openProxy(cmd, "ProxyMatch", words[0], words.slice(1), true);
}

function openProxy(
  cmd: CommandContext,
  section: string,
  arg: string | undefined,
  more: Words,
  isRegex: boolean,
): string | undefined {
  if (arg === undefined) return `<${section}> directive requires additional arguments`;
  let pattern: RegExp | null = null;
  if (isRegex) {
    try {
      pattern = compileRegex(arg);
    } catch (error) {
      return `Regex could not be compiled: ${(error as Error).message}`;
    }
  } else if (/[*?[]/.test(arg)) {
    pattern = compileGlob(arg, false);
  }
  if (more.length > 0) {
    if (isRegex) return `Multiple <${section}> arguments not (yet) supported.`;
    if (pattern !== null) return `<${section}> arguments are not supported for wildchar url.`;
    if (!arg.includes(":")) return `<${section}> arguments are not supported for non url.`;
    const error = setParams(cmd, arg, more, "in section", "<Proxy");
    if (error !== undefined) return error;
  }
  cmd.open({ kind: "proxy", section, arg, pattern, isRegex });
  return undefined;
}

function proxyRequests(_cmd: CommandContext, on: boolean): string | undefined {
  return on ? "ProxyRequests On is not supported: sluice is a reverse proxy, never a forward proxy" : undefined;
}

function setVia(cmd: CommandContext, arg: string): string | undefined {
  const value = arg.toLowerCase();
  if (!["off", "on", "full", "block"].includes(value)) return "ProxyVia must be one of: off | on | full | block";
  cmd.set("via", value);
  return undefined;
}

function setTimeoutMs(cmd: CommandContext, arg: string): string | undefined {
  if (atoi(arg) < 1) return "Proxy Timeout must be at least 1 second.";
  cmd.set("timeoutMs", intervalOrInt(arg, "s"));
  return undefined;
}

function setErrorOverride(cmd: CommandContext, word: string): string | undefined {
  const lower = word.toLowerCase();
  const first = cmd.raw.errorOverride === undefined || cmd.raw.overrideLine !== cmd.directive.line;
  if (first) {
    if (lower !== "on" && lower !== "off") return "ProxyErrorOverride first parameter must be one of: off | on";
    cmd.set("errorOverride", lower === "on");
    cmd.set("errorOverrideCodes", []);
    cmd.raw.overrideLine = cmd.directive.line;
    return undefined;
  }
  if (cmd.raw.errorOverride !== true) return "ProxyErrorOverride: status codes must follow a value of 'on'";
  const code = Number(word);
  if (!/^\d/.test(word)) return "ProxyErrorOverride: status codes to intercept must be numeric";
  if (!/^\d{3}$/.test(word) || code < 400 || code > 599) {
    return "ProxyErrorOverride: status codes to intercept must be valid HTTP Status Codes >=400 && <600";
  }
  cmd.set("errorOverrideCodes", [...((cmd.raw.errorOverrideCodes as number[] | undefined) ?? []), code]);
  return undefined;
}

function setMaxForwards(cmd: CommandContext, arg: string): string | undefined {
  if (!/^-?\d+$/.test(arg)) return `ProxyMaxForwards must be a whole number, not "${arg}"`;
  cmd.set("maxForwards", Number(arg));
  return undefined;
}

function setBadHeader(cmd: CommandContext, arg: string): string | undefined {
  const value = ["IsError", "Ignore", "StartBody"].find((known) => known.toLowerCase() === arg.toLowerCase());
  if (value === undefined) return "ProxyBadHeader must be one of: IsError | Ignore | StartBody";
  cmd.set("badHeader", value);
  return undefined;
}

function setIoBufferSize(cmd: CommandContext, arg: string): string | undefined {
  const bytes = Number(arg);
  if (!/^\d+$/.test(arg) || (bytes < 512 && bytes !== 0))
    return "ProxyIOBufferSize must be >= 512 bytes, or 0 for system default.";
  cmd.set("ioBufferSize", bytes === 0 ? 8192 : bytes);
  return undefined;
}

function setReceiveBufferSize(cmd: CommandContext, arg: string): string | undefined {
  const bytes = Number(arg);
  if (!/^\d+$/.test(arg) || (bytes < 512 && bytes !== 0))
    return "ProxyReceiveBufferSize must be >= 512 bytes, or 0 for system default.";
  cmd.set("receiveBufferSize", bytes);
  return undefined;
}

function strayStickySession(cmd: CommandContext, name: string): string | undefined {
  if (cmd.scope.kind !== "proxy")
    return "Stickysession is no directive: write ProxySet stickysession=NAME inside of <Proxy>";
  cmd.warn("", `Stickysession is no directive of httpd: read as ProxySet stickysession=${name}`);
  return setParams(cmd, cmd.scope.arg, [`stickysession=${name}`], "in section", "ProxySet:");
}

function strayMaxRequests(cmd: CommandContext): string | undefined {
  if (cmd.scope.kind !== "proxy")
    return "MaxRequestPerChild is no directive: write MaxConnectionsPerChild at server level";
  cmd.warn(
    "",
    "MaxRequestPerChild is no directive of httpd and nothing of a <Proxy>: MaxConnectionsPerChild at server level is meant; ignored",
  );
  return undefined;
}

/** It reserves room for balancers that nothing in httpd adds either: only its argument is checked. */
function balancerGrowth(_cmd: CommandContext, arg: string): string | undefined {
  const n = Number.parseInt(arg, 10) || 0;
  return n < 0 || n > 1000 ? "BalancerGrowth must be between 0 and 1000" : undefined;
}
