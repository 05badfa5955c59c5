/**
 * The configuration of HTTP on a connection.
 */

import { whole } from "../config/units.ts";
import type { DirectiveSource } from "../core/command.ts";
import { getModuleConfig, type Module } from "../core/module.ts";
import type { ProcessRec, ServerRec } from "../core/records.ts";
import * as z from "../core/schema.ts";
import type { RequestLimits } from "./request_head.ts";

/** How long a head or a body may take: `initialMs`, and a second more for each `bytesPerSecond` bytes, up to `mostMs`. */
export interface ReadTimeout {
  /** 0: no limit. */
  readonly initialMs: number;
  /** 0: no limit, as long as the rate is kept. */
  readonly mostMs: number;
  /** 0: `initialMs` is all the time there is. */
  readonly bytesPerSecond: number;
}

/** A message is held whole, several times over: so large one may be. It is Bun's default, too. */
export const MAX_WEB_SOCKET_MESSAGE = 16 * 1024 * 1024;

export const httpSchema = z.object({
  keepAlive: z.boolean().default(true),
  /** 0: unlimited. */
  maxKeepAliveRequests: whole(0).prefault("100"),
  keepAliveTimeoutMs: z.number().default(5000),
  limitRequestLine: z.number().default(8190),
  limitRequestFieldSize: z.number().default(8190),
  /** 0: unlimited. */
  limitRequestFields: z.number().default(100),
  /** LimitWebSocketMessage, bytes: of WebSockets that are relayed message by message. */
  limitWebSocketMessage: z.number().default(MAX_WEB_SOCKET_MESSAGE),
  /** Protocols, in lower case and the order of the lines; none: HTTP/1.1. */
  protocols: z.array(z.string()).default([]),
  protocolsAt: z.custom<DirectiveSource>().optional(),
  /** ProtocolsHonorOrder: that order counts, not the client's. On, against what httpd's own help says: measured, 2.4.71. */
  honorOrder: z.boolean().default(true),
  /** HttpProtocolOptions, lower case. */
  protocolOptions: z.array(z.string()).default([]),
  headerTimeout: z.custom<ReadTimeout>().default({ initialMs: 20_000, mostMs: 40_000, bytesPerSecond: 500 }),
  /** Of TLS. Without a limit it is Timeout. */
  handshakeTimeout: z.custom<ReadTimeout>().default({ initialMs: 0, mostMs: 0, bytesPerSecond: 0 }),
  bodyTimeout: z.custom<ReadTimeout>().default({ initialMs: 20_000, mostMs: 0, bytesPerSecond: 500 }),
});

export type HttpConfig = z.output<typeof httpSchema>;

/** What a connection needs of a server's configuration, made once. */
export interface HttpSettings extends HttpConfig {
  readonly limits: RequestLimits;
  /** HttpProtocolOptions Require1.0: no HTTP/0.9. */
  readonly require10: boolean;
  /** HttpProtocolOptions RegisteredMethods: methods that httpd does not know are 501. */
  readonly registeredMethods: boolean;
  readonly timeoutMs: number;
}

/** LimitWebSocketMessage, of the one of these servers that allows most. */
export function largestMessage(process: ProcessRec, servers: readonly ServerRec[]): number {
  const http = process.modules.find((module) => module.name === "mod_http") as Module<HttpConfig>;
  return Math.max(...servers.map((server) => getModuleConfig(server.config, http).limitWebSocketMessage));
}

const settings = new WeakMap<ServerRec, HttpSettings>();

export function settingsOf(server: ServerRec, make: () => HttpConfig, timeoutMs: number): HttpSettings {
  const known = settings.get(server);
  if (known !== undefined) return known;
  const conf = make();
  const made = {
    ...conf,
    limits: {
      requestLine: conf.limitRequestLine,
      fieldSize: conf.limitRequestFieldSize,
      fields: conf.limitRequestFields,
    },
    require10: conf.protocolOptions.includes("require1.0"),
    registeredMethods: conf.protocolOptions.includes("registeredmethods"),
    timeoutMs,
  };
  settings.set(server, made);
  return made;
}

/** Milliseconds left of a read time-out after `used`, with `bytes` read; 0 or less: it is used up. */
export function timeLeft(limit: ReadTimeout, used: number, bytes: number): number {
  if (limit.initialMs === 0) return Number.MAX_SAFE_INTEGER;
  let whole = limit.initialMs;
  if (limit.bytesPerSecond > 0) whole += (bytes / limit.bytesPerSecond) * 1000;
  if (limit.mostMs > 0) whole = Math.min(whole, limit.mostMs);
  return whole - used;
}
