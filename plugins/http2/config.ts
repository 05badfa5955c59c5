/**
 * mod_http2's configuration: what H2* directives say, merged and checked.
 * Source: httpd modules/http2/h2_config.c
 */
import { atoi, type CommandContext, type CommandHandler, parseInterval, z } from "../../modules/mod.ts";
import { DEFAULT_WINDOW } from "./frame.ts";

export const http2Schema = z.object({
  maxSessionStreams: z.number().default(100),
  windowSize: z.number().default(DEFAULT_WINDOW),
  streamMaxMemSize: z.number().default(32_768),
  /** 0: what the client takes. */
  maxDataFrameLen: z.number().default(0),
  /** 0: 65536. */
  maxHeaderBlockLen: z.number().default(0),
  /** 0: any number. */
  maxStreamErrors: z.number().default(8),
  /** undefined: Timeout. */
  streamTimeoutMs: z.number().optional(),
  /** undefined: on without TLS, off with it. */
  direct: z.boolean().optional(),
  /** undefined: on without TLS. With TLS ALPN is the way. */
  upgrade: z.boolean().optional(),
  modernTlsOnly: z.boolean().default(true),
  earlyHints: z.boolean().default(false),
  webSockets: z.boolean().default(false),
  /** H2EarlyHint: name, value. */
  hints: z.array(z.custom<readonly [name: string, value: string]>()).default([]),
});

export type Http2Config = z.output<typeof http2Schema>;
type Key = keyof Http2Config;

/** A number of `least` or more, as atoi reads it. */
export function setNumber(key: Key | "", least: number, error: string): CommandHandler {
  return (cmd, arg) => {
    const value = atoi(arg!);
    if (value < least) return error;
    if (key !== "") cmd.set(key, value);
    return undefined;
  };
}

export function setSwitch(key: Key): CommandHandler {
  return (cmd, arg) => {
    const on = readSwitch(arg!);
    if (on === undefined) return BAD_SWITCH;
    cmd.set(key, on);
    return undefined;
  };
}

/** @param refusal what to say to On, or to Off, which is not to be had */
export function onlySwitch(unwanted: boolean, refusal: string): CommandHandler {
  return (_cmd, arg) => {
    const on = readSwitch(arg!);
    if (on === undefined) return BAD_SWITCH;
    return on === unwanted ? refusal : undefined;
  };
}

const BAD_SWITCH = "value must be On or Off";

function readSwitch(arg: string): boolean | undefined {
  const word = arg.toLowerCase();
  return word === "on" ? true : word === "off" ? false : undefined;
}

/** A switch that changes nothing. */
export function checkSwitch(_cmd: CommandContext, arg: string): string | undefined {
  return readSwitch(arg) === undefined ? BAD_SWITCH : undefined;
}

export function setStreamTimeout(cmd: CommandContext, arg: string): string | undefined {
  const ms = parseInterval(arg, "s");
  if (ms === undefined) return "Invalid timeout value";
  cmd.set("streamTimeoutMs", ms === 0 ? undefined : ms);
  return undefined;
}

export function checkPadding(_cmd: CommandContext, arg: string): string | undefined {
  const bits = atoi(arg);
  if (bits < 0) return "number of bits must be >= 0";
  if (bits > 8) return "number of bits must be <= 8";
  return bits === 0 ? undefined : `H2Padding ${bits} is not supported: sluice sends frames without padding`;
}

export function checkDiary(_cmd: CommandContext, arg: string): string | undefined {
  const size = atoi(arg);
  if (size < 0) return "value must be >= 0";
  if (size > 0 && (size & (size - 1)) !== 0) return "value must a power of 2";
  return size > 65_536 ? "value must <= 65536" : undefined;
}

export function checkPushPriority(_cmd: CommandContext, _type: string, dependency: string): string | undefined {
  const known = /^(after|before|interleaved)$/i.test(dependency);
  return known ? undefined : "dependency must be one of 'After', 'Before' or 'Interleaved'";
}

export function checkPushResource(
  _cmd: CommandContext,
  _uri: string,
  second?: string,
  third?: string,
): string | undefined {
  return [second, third].every((word) => word === undefined || word === "critical")
    ? undefined
    : "unknown last parameter";
}

export function addEarlyHint(cmd: CommandContext, name: string, value: string): string | undefined {
  if (name.trim() === "") return "Early Hint header name must not be empty/only space";
  if (value.trim() === "") return "Early Hint header value must not be empty/only space";
  cmd.push("hints", [name, value]);
  return undefined;
}
