/**
 * mod_http: HTTP/1.1 on a connection, and the limits on what a client may send.
 * Source: httpd modules/http/http_core.c; server/core.c (Limit*); modules/filters/mod_reqtimeout.c
 */
import { configError, splitWords } from "../config/directive.ts";
import { parseInterval } from "../config/units.ts";
import type { CommandContext } from "../core/command.ts";
import { defineModule, getModuleConfig } from "../core/module.ts";
import type { ProcessRec, ServerRec } from "../core/records.ts";
import { checkConfig, mapToStorage, processConnection } from "../server/hooks.ts";
import core, { frontOf } from "../server/mod_core.ts";
import { vhostsOf } from "../server/vhost.ts";
import { serveHttp } from "./connection.ts";
import { type HttpConfig, httpSchema, MAX_WEB_SOCKET_MESSAGE, type ReadTimeout, timeLeft } from "./http_config.ts";
import { answerItself } from "./trace.ts";

const PROTOCOL_OPTIONS_HELP =
  "'Unsafe' or 'Strict' (default), 'RegisteredMethods' or 'LenientMethods' (default), and 'Require1.0' or 'Allow0.9' (default)";

const http = defineModule({
  name: "mod_http",
  config: httpSchema,
  commands: ({ flag, take1, iterate, raw }) => [
    flag("KeepAlive", "server", "keepAlive", "Whether persistent connections should be On or Off"),
    take1(
      "MaxKeepAliveRequests",
      "server",
      "maxKeepAliveRequests",
      "Maximum number of requests per connection, or 0 for infinite",
    ),
    take1("KeepAliveTimeout", "server", setKeepAliveTimeout, "Keep-Alive timeout duration (sec)"),
    take1(
      "LimitRequestLine",
      "server",
      setLimit("limitRequestLine", ""),
      "Limit on maximum size of an HTTP request line",
    ),
    take1(
      "LimitRequestFieldSize",
      "server",
      setLimit("limitRequestFieldSize", ""),
      "Limit on maximum size of an HTTP request header field",
    ),
    take1(
      "LimitRequestFields",
      "server",
      setLimit("limitRequestFields", " (0 = no limit)"),
      "Limit (0 = unlimited) on max number of header fields in a request message",
    ),
    take1(
      "LimitWebSocketMessage",
      "server",
      setWebSocketMessage,
      `Limit on the size of a WebSocket message in bytes, where messages are relayed; ${MAX_WEB_SOCKET_MESSAGE} at most`,
    ),
    iterate("HttpProtocolOptions", "server", addProtocolOption, PROTOCOL_OPTIONS_HELP),
    iterate("Protocols", "server", addProtocol, "Controls which protocols are allowed"),
    take1(
      "ProtocolsHonorOrder",
      "server",
      setHonorOrder,
      "'off' (default) or 'on' to respect given order of protocols, by default the client specified order determines selection",
    ),
    raw(
      "RequestReadTimeout",
      "server",
      setRequestReadTimeout,
      "Set various timeout parameters for TLS handshake, reading request headers and body",
    ),
  ],
  registerHooks({ hook }) {
    hook(processConnection, serveHttp, { rank: "reallyLast" });
    hook(mapToStorage, answerItself);
    hook(checkConfig, checkProtocols);
  },
});
export default http;

export type { HttpConfig };

function setLimit(key: "limitRequestLine" | "limitRequestFieldSize" | "limitRequestFields", zero: string) {
  return (cmd: CommandContext, arg: string): string | undefined => {
    if (!/^\d+$/.test(arg)) return `${cmd.directive.name} "${arg}" must be a non-negative integer${zero}`;
    cmd.set(key, Number(arg));
    return undefined;
  };
}

function setWebSocketMessage(cmd: CommandContext, arg: string): string | undefined {
  const bytes = Number(arg);
  if (!/^\d+$/.test(arg) || bytes < 1 || bytes > MAX_WEB_SOCKET_MESSAGE)
    return `LimitWebSocketMessage "${arg}" must be a number of bytes from 1 to ${MAX_WEB_SOCKET_MESSAGE}`;
  cmd.set("limitWebSocketMessage", bytes);
  return undefined;
}

/** Words that exclude each other, and what each pair sets. */
const OPTION_PAIRS = [
  ["strict", "unsafe", "'Strict' and 'Unsafe'"],
  ["lenientmethods", "registeredmethods", "'RegisteredMethods' and 'LenientMethods'"],
  ["allow0.9", "require1.0", "'Allow0.9' and 'Require1.0'"],
] as const;

function addProtocolOption(cmd: CommandContext, word: string): string | undefined {
  const option = word.toLowerCase();
  const pair = OPTION_PAIRS.find(([first, second]) => option === first || option === second);
  if (pair === undefined) return `HttpProtocolOptions accepts ${PROTOCOL_OPTIONS_HELP}`;
  if (option === "unsafe")
    return "HttpProtocolOptions Unsafe is not supported: malformed requests are how requests are smuggled";
  const known = (cmd.raw.protocolOptions as readonly string[] | undefined) ?? [];
  if (pair.some((other) => other !== option && known.includes(other)))
    return `HttpProtocolOptions ${pair[2]} are mutually exclusive`;
  cmd.push("protocolOptions", option);
  return undefined;
}

/** A name that no module knows is nobody's, as in httpd. */
function addProtocol(cmd: CommandContext, name: string): void {
  cmd.push("protocols", name.toLowerCase());
  cmd.set("protocolsAt", cmd.directive);
}

/** check_config: what the net front does not speak. */
function checkProtocols(process: ProcessRec): void {
  const conf = getModuleConfig(process.servers[0]!.config, core);
  for (const spec of conf.listen) {
    if (frontOf(conf, spec) !== "net") continue;
    for (const server of vhostsOf(process.servers, spec.address, spec.port)) {
      const { protocols, protocolsAt } = getModuleConfig(server.config, http);
      if (protocols.includes("h3")) throw configError(protocolsAt!, "Protocols h3 is for Front fetch, on Bun");
    }
  }
}

function setHonorOrder(cmd: CommandContext, arg: string): string | undefined {
  if (!/^(on|off)$/i.test(arg)) return "ProtocolsHonorOrder must be 'on' or 'off'";
  cmd.set("honorOrder", arg.toLowerCase() === "on");
  return undefined;
}

function setKeepAliveTimeout(cmd: CommandContext, arg: string): string | undefined {
  const ms = parseInterval(arg, "s");
  if (ms === undefined) return "KeepAliveTimeout has wrong format";
  cmd.set("keepAliveTimeoutMs", ms);
  return undefined;
}

/** Milliseconds that a TLS handshake may still take, after `used` of them and with `bytes` read. */
export function handshakeTimeLeft(server: ServerRec, used: number, bytes: number): number {
  const limit = getModuleConfig(server.config, http).handshakeTimeout;
  return limit.initialMs > 0 ? timeLeft(limit, used, bytes) : getModuleConfig(server.config, core).timeoutMs - used;
}

/** `header=20-40,MinRate=500 body=20,MinRate=500`, either part alone, in any order. */
function setRequestReadTimeout(cmd: CommandContext, args: string): string | undefined {
  for (const { text } of splitWords(args, 1)) {
    const [, stage, value] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
    if (stage === undefined) return "Invalid RequestReadTimeout parameter. Parameter must be in the form 'key=value'";
    const known = /^(handshake|header|body)$/i.test(stage);
    const parsed = known ? parseReadTimeout(value!) : "Unknown RequestReadTimeout parameter";
    if (typeof parsed === "string") return `RequestReadTimeout: ${text}: ${parsed}`;
    cmd.set(`${stage.toLowerCase()}Timeout`, parsed);
  }
  return undefined;
}

/** A text is what is wrong. */
function parseReadTimeout(value: string): ReadTimeout | string {
  const [, range, minRate] = /^(.*?),minrate=(.*)$/is.exec(value) ?? [undefined, value];
  if (minRate === undefined && value.includes("-")) return "Must set MinRate option if using timeout range";
  const dash = range!.indexOf("-");
  const first = wholeNumber(dash < 0 ? range! : range!.slice(0, dash));
  const most = dash < 0 ? 0 : wholeNumber(range!.slice(dash + 1));
  const rate = minRate === undefined ? 0 : wholeNumber(minRate);
  for (const part of [rate, first, most]) if (typeof part === "string") return part;
  if (minRate !== undefined && rate === 0) return "Minimum data rate must be larger than 0";
  if (most !== 0 && most <= first) return "Maximum timeout must be larger than initial timeout";
  return { initialMs: Number(first) * 1000, mostMs: Number(most) * 1000, bytesPerSecond: Number(rate) };
}

function wholeNumber(text: string): number | string {
  const [digits, sign] = /^\s*([+-]?)\d+/.exec(text) ?? [];
  if (digits === undefined) return `Value '${text}' not numerical`;
  if (digits.length < text.length) return `Cannot parse '${text.slice(digits.length)}'`;
  return sign === "-" && Number(digits) !== 0 ? "Value must be non-negative" : Number(digits);
}
