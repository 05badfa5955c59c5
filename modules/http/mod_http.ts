/**
 * mod_http: HTTP/1.1 on a connection, and the limits on what a client may send.
 * Source: httpd modules/http/http_core.c; server/core.c (Limit*); modules/filters/mod_reqtimeout.c
 */
import { parseInterval } from "../config/units.ts";
import type { CommandContext } from "../core/command.ts";
import { defineModule } from "../core/module.ts";
import { processConnection } from "../server/hooks.ts";
import { serveHttp } from "./connection.ts";
import { type HttpConfig, httpSchema, type ReadTimeout } from "./http_config.ts";

const http = defineModule({
  name: "mod_http",
  config: httpSchema,
  commands: ({ flag, take1, raw }) => [
    flag("KeepAlive", "server", "keepAlive", "Whether persistent connections should be On or Off"),
    take1(
      "MaxKeepAliveRequests",
      "server",
      "maxKeepAliveRequests",
      "Maximum number of requests per connection, or 0 for infinite",
    ),
    take1("KeepAliveTimeout", "server", setKeepAliveTimeout, "Keep-Alive timeout duration (sec)"),
    take1("LimitRequestLine", "server", "limitRequestLine", "Limit on maximum size of an HTTP request line"),
    take1(
      "LimitRequestFieldSize",
      "server",
      "limitRequestFieldSize",
      "Limit on maximum size of an HTTP request header field",
    ),
    take1(
      "LimitRequestFields",
      "server",
      "limitRequestFields",
      "Limit (0 = unlimited) on max number of header fields in a request message",
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
  },
});
export default http;

export type { HttpConfig };

function setKeepAliveTimeout(cmd: CommandContext, arg: string): string | undefined {
  const ms = parseInterval(arg, "s");
  if (ms === undefined) return "KeepAliveTimeout has wrong format";
  cmd.set("keepAliveTimeoutMs", ms);
  return undefined;
}

/** `header=20-40,MinRate=500 body=20,MinRate=500`, either part alone, in any order. */
function setRequestReadTimeout(cmd: CommandContext, args: string): string | undefined {
  const words = args.split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return "RequestReadTimeout: no arguments";
  for (const word of words) {
    const match = /^(handshake|header|body)=(\d+)(?:-(\d+))?(?:,minrate=(\d+))?$/i.exec(word);
    if (match === null) return `RequestReadTimeout: cannot parse "${word}"`;
    const [, stage, first, most, rate] = match;
    if (most !== undefined && Number(most) < Number(first))
      return "Maximum timeout must be larger than initial timeout";
    if (most !== undefined && rate === undefined) return "Must set MinRate option if using timeout range";
    const value: ReadTimeout = {
      initialMs: Number(first) * 1000,
      mostMs: most === undefined ? 0 : Number(most) * 1000,
      bytesPerSecond: Number(rate ?? 0),
    };
    if (stage!.toLowerCase() === "handshake") {
      if (value.initialMs !== 0)
        return "RequestReadTimeout handshake= belongs to mod_ssl, which sluice does not have yet";
      continue;
    }
    cmd.set(stage!.toLowerCase() === "header" ? "headerTimeout" : "bodyTimeout", value);
  }
  return undefined;
}
