/**
 * The specifiers of LogFormat: each a function from its argument to what it writes of a request.
 * Source: httpd modules/loggers/mod_log_config.c, mod_logio.c
 */
import {
  canonicalPort,
  escapeLogItem,
  exprLookup,
  type HeaderTable,
  HTTP_09,
  headerId,
  OTHER,
  PLAIN_IN_LOGS,
  type RequestRec,
  remoteName,
  serverName,
} from "../../modules/mod.ts";
import { timeItem } from "./time.ts";

/** What an item writes; "" is nothing, null is `-`. */
export type Item = (r: RequestRec) => string | null;

interface Specifier {
  readonly make: (arg: string) => Item;
  /** It tells of the request as it came, not of what internal redirects made of it. */
  readonly original: boolean;
  /** Needs times that are not taken otherwise. */
  readonly timed?: boolean;
}

const final = (make: (arg: string) => Item): Specifier => ({ make, original: false });
const original = (make: (arg: string) => Item): Specifier => ({ make, original: true });

/** What sluice does not know of any request. */
export const nothing: Item = () => null;

const clientIp: Item = (r) => r.useragentIp;

function clientName(r: RequestRec): string {
  const name = remoteName(r);
  return name === r.useragentIp ? name : escapeLogItem(name);
}

/** By letter; those of two letters follow a `^`. */
export const SPECIFIERS: Readonly<Record<string, Specifier>> = {
  a: final((arg) => (arg === "c" ? (r) => r.conn.peerIp : clientIp)),
  A: final(() => (r) => r.conn.localIp),
  b: final(() => (r) => (r.bytesSent === 0 ? null : String(r.bytesSent))),
  B: final(() => (r) => String(r.bytesSent)),
  C: final(cookie),
  D: original(() => (r) => String(durationUs(r))),
  e: final((arg) => (r) => escaped(r.getEnv(arg))),
  f: final(() => (r) => escaped(r.filename || undefined)),
  h: final((arg) => (arg === "c" ? (r) => r.conn.peerIp : clientName)),
  H: final(() => (r) => escaped(protocol(r))),
  i: final(headerIn),
  I: final(() => (r) => String(r.wireIn)),
  k: final(() => (r) => String(Math.max(0, r.conn.keepalives - (r.conn.closing ? 2 : 1)))),
  l: final(() => nothing),
  L: final((arg) => (r) => (arg === "c" ? r.conn.logId : r.logId) || null),
  m: final(() => (r) => escaped(r.uri === "" ? undefined : r.method)),
  n: final((arg) => (r) => escaped(r.getNote(arg))),
  o: final(headerOut),
  O: final(() => (r) => String(r.wireOut)),
  p: final(port),
  P: final(processId),
  q: final(() => (r) => (r.args === null ? "" : escapeLogItem(`?${r.args}`))),
  r: original(() => requestLine),
  R: original(() => (r) => escaped(r.handler || undefined)),
  s: original(() => (r) => String(r.status)),
  S: final(() => (r) => String(r.wireIn + r.wireOut)),
  t: final(timeItem),
  T: original(duration),
  u: final(() => (r) => (r.user === "" ? '""' : escaped(r.user ?? undefined))),
  U: original(() => (r) => escaped(r.uri || undefined)),
  v: final(() => (r) => escaped(r.server.hostname)),
  V: final(() => (r) => escaped(serverName(r))),
  x: final((arg) => (r) => escaped(ofTls(r, arg))),
  c: final((arg) => {
    const name = TLS_WORDS[arg];
    return name === undefined ? nothing : (r) => escaped(ofTls(r, name));
  }),
  X: final(() => (r) => (r.conn.aborted ? "X" : r.conn.closing ? "-" : "+")),
  // Trailers are not kept on either way.
  "^ti": final(() => nothing),
  "^to": final(() => nothing),
  "^FB": {
    make: () => (r) => (r.firstByteUs === 0 ? null : String(Math.max(0, r.firstByteUs - r.requestTimeUs))),
    original: false,
    timed: true,
  },
};

/** %{...}c, from before there were variables. Source: httpd modules/ssl/ssl_engine_vars.c ssl_var_log_handler_c */
const TLS_WORDS: Readonly<Record<string, string>> = {
  version: "SSL_PROTOCOL",
  cipher: "SSL_CIPHER",
  subjectdn: "SSL_CLIENT_S_DN",
  clientcert: "SSL_CLIENT_S_DN",
  issuerdn: "SSL_CLIENT_I_DN",
  cacert: "SSL_CLIENT_I_DN",
};

/** A variable of mod_ssl; one that is empty is none. */
function ofTls(r: RequestRec, name: string): string | undefined {
  return r.server.process.providers.lookup(exprLookup, "ssl")?.(r, name) || undefined;
}

function escaped(text: string | undefined): string | null {
  return text === undefined ? null : escapeLogItem(text);
}

/** Microseconds from the request's head to now, when its log line is written. */
export function durationUs(r: RequestRec): number {
  return Math.max(0, r.server.process.clock.wallUs() - r.requestTimeUs);
}

/** A unit that is none is written itself, as in httpd; so are the other odd arguments below. */
function duration(unit: string): Item {
  switch (unit) {
    case "":
    case "s":
      return (r) => String(Math.floor(durationUs(r) / 1_000_000));
    case "ms":
      return (r) => String(Math.floor(durationUs(r) / 1000));
    case "us":
      return (r) => String(durationUs(r));
    default:
      return () => unit;
  }
}

function port(which: string): Item {
  switch (which.toLowerCase()) {
    case "":
    case "canonical":
      return (r) => String(canonicalPort(r));
    case "remote":
      return (r) => String(r.useragentPort);
    case "local":
      return (r) => String(r.conn.localPort);
    default:
      return () => which;
  }
}

function processId(which: string): Item {
  switch (which) {
    case "":
    case "pid":
    case "tid":
      return (r) => String(r.server.process.pid);
    case "hextid":
      return (r) => r.server.process.pid.toString(16);
    default:
      return () => which;
  }
}

function headerIn(name: string): Item {
  const id = headerId(name);
  if (id === OTHER) return (r) => fieldAt(r.headersIn, r.headersIn.indexOf(name));
  return (r) => fieldAt(r.headersIn, r.headersIn.indexOfId(id));
}

/** Looked at where it stands: a piece of a head that must be looked into as a string is made one for it. */
function fieldAt(headers: HeaderTable, at: number): string | null {
  if (at < 0) return null;
  const value = headers.valueAt(at);
  return headers.valueIsOf(at, PLAIN_IN_LOGS) ? value : escapeLogItem(value);
}

function headerOut(name: string): Item {
  switch (name.toLowerCase()) {
    case "content-type":
      return (r) => escaped(sent(r, name)?.replace(/[ \t]*;.*$/s, ""));
    case "set-cookie":
      return (r) =>
        escaped([...(r.errHeadersOut?.getAll(name) ?? []), ...r.headersOut.getAll(name)].join(", ") || undefined);
    default:
      return (r) => escaped(sent(r, name) ?? r.out.sentField(name));
  }
}

function sent(r: RequestRec, name: string): string | undefined {
  return r.errHeadersOut?.get(name) ?? r.headersOut.get(name);
}

/** The value of the first cookie of that name, blanks around it cut off; "" is none. */
function cookie(name: string): Item {
  const wanted = name.toLowerCase();
  return (r) => {
    for (const part of r.headersIn.get("Cookie")?.split(";") ?? []) {
      const equals = part.indexOf("=");
      if (equals < 0 || equals === part.length - 1) continue;
      if (part.slice(0, equals).trim().toLowerCase() === wanted) return escapeLogItem(part.slice(equals + 1).trim());
    }
    return null;
  };
}

/** Characters of a request line that is written as it came. */
const PLAIN_LINE = PLAIN_IN_LOGS.slice();
PLAIN_LINE[0x40] = 0;

/** A password in the target is not for the log. */
function requestLine(r: RequestRec): string | null {
  const line = r.requestLine;
  if (line === "") return null;
  if (r.requestLineIsOf(PLAIN_LINE)) return line;
  return escapeLogItem(line.replace(/(:\/\/[^/@: ]*):[^@/ ]*@/, "$1:XXXXXXXX@"));
}

function protocol(r: RequestRec): string {
  const named = /HTTP\/\d\.\d$/.exec(r.requestLine);
  if (named !== null) return named[0];
  return r.protoNum === HTTP_09 ? "HTTP/0.9" : "HTTP/1.0";
}
