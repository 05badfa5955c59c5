/**
 * The records: process, server, connection, request. Data only; the modules that own a phase act on them.
 * In one file, as in httpd.h: each of them names the others.
 * Source: httpd include/httpd.h
 */

import type { Socket, SocketHost, SocketOwner } from "../net/socket.ts";
import type { Bytes } from "./bytes.ts";
import type { Clock, TimerWheel } from "./clock.ts";
import type { ErrorLog, LogSink } from "./error_log.ts";
import type { Expr } from "./expr.ts";
import type { OutputFilter } from "./filter.ts";
import type { Hooks } from "./hooks.ts";
import type { Host } from "./host.ts";
import type { ConfigVector, Module, RawConfig } from "./module.ts";
import type { Providers } from "./providers.ts";
import type { Siblings } from "./siblings.ts";
import type { Status } from "./status.ts";
import { HeaderTable, isOf } from "./table.ts";
import type { WebSocketOffer } from "./web_socket.ts";

/** One generation of the server: a configuration, and everything that was made of it. */
export interface ProcessRec {
  readonly hooks: Hooks;
  readonly providers: Providers;
  readonly modules: readonly Module[];
  readonly clock: Clock;
  /** All time-outs of sockets. */
  readonly wheel: TimerWheel;
  /** The main server first, then the virtual hosts in file order. */
  readonly servers: readonly ServerRec[];
  readonly log: ErrorLog;
  /** Opens what a log is written to: a file, or "|program". The same target is opened once. @throws Error */
  readonly openLog: (target: string) => LogSink;
  /** The folder without which a log cannot be opened; null: it is there. */
  readonly missingLogFolder: (target: string) => string | null;
  readonly pid: number;
  /** A log asks for the times of attempts and of the first byte: they are taken. Set in post_config. */
  takesTimes: boolean;
  /** Somebody shows the last request of connections that are idle: it is kept. Set before the first connection. */
  keepsRequests: boolean;
  readonly sockets: SocketHost;
  readonly host: Host;
  /** Whether a URI of this server would be served to this request's client: -U of expressions. */
  readonly isAccessible: (r: RequestRec, uri: string) => boolean;
  readonly serverRoot: string;
  /** For DefaultRuntimeDir: where relative unix: sockets and the pid file are. */
  readonly runtimeDir: string;
  /** The rank of the least severe messages where no LogLevel says it: -e; undefined: warn. */
  readonly startRank?: number | undefined;
  readonly siblings: Siblings;
  /** How long requests of what stops, or was taken out of the configuration, may go on, ms; 0: as long as they take. */
  readonly drainLimitMs: number;
  /** Counts reloads, from 0. */
  readonly generation: number;
  /** Reloads that came to nothing while this generation served, and before. */
  failedReloads: FailedReloads;
  /** Set once this generation must end its connections after the request at hand. */
  stopping: boolean;
}

/** Configurations that were read and could not be used. */
export interface FailedReloads {
  /** Since the start. */
  readonly count: number;
  /** Why the last one could not; null: the configuration that serves is the last one that was read. */
  readonly reason: string | null;
  /** When that was, microseconds since 1970. */
  readonly atUs: number;
}

/** An address that a <VirtualHost> names. */
export interface VhostAddr {
  /** "*" is any. */
  readonly host: string;
  /** 0 is any. */
  readonly port: number;
  /** The host as written, in lower case: it may be a name. */
  readonly name: string;
}

/** The raw values of every module in one scope, by `Module.index`. */
export type RawVector = (RawConfig | undefined)[];

/** <Location>, <Proxy> and their like: what they hold applies to the requests that they match. */
export interface SectionRec {
  readonly kind: "location" | "proxy" | "if";
  /** The argument, a prefix unless `pattern` is set. */
  readonly arg: string;
  readonly pattern: RegExp | null;
  /** The pattern was written as a regular expression, not as wildcards. */
  readonly isRegex: boolean;
  readonly raw: RawVector;
  /** Of <If> and <ElseIf>; null elsewhere. */
  readonly condition: Expr<boolean> | null;
  /** <ElseIf> or <Else>: applies only if the one before it does not. */
  readonly isElse: boolean;
  /** The <If> sections in it. */
  readonly ifs: readonly SectionRec[];
  /** Counts the sections of a configuration. */
  readonly id: number;
  readonly file: string;
  readonly line: number;
}

/** The main server or a virtual host. */
export class ServerRec {
  readonly isVirtual: boolean;
  /** Where it was defined. */
  readonly file: string;
  readonly line: number;
  addrs: readonly VhostAddr[];
  /** Set when the configuration is built; the same for the life of the generation. */
  process!: ProcessRec;
  config: ConfigVector = [];
  readonly raw: RawVector = [];
  /** The sections in file order, those of the main server first. */
  locations: readonly SectionRec[] = [];
  proxies: readonly SectionRec[] = [];
  ifs: readonly SectionRec[] = [];
  /** Some section of it has a condition. */
  conditional = false;
  log!: ErrorLog;
  /** From ServerName; "" until then. */
  hostname = "";
  /** From ServerName; 0: the scheme's default. */
  port = 0;
  scheme = "";
  /** Its clients speak TLS. */
  speaksTls = false;
  /** From ServerPath: chooses a virtual host for requests without Host; "" is none. */
  path = "";
  /** ServerAlias without and with wildcards, lower case. */
  names: string[] = [];
  wildNames: string[] = [];
  /** What modules keep for a server, by `Module.index`. */
  readonly state: unknown[] = [];

  constructor(isVirtual: boolean, file: string, line: number, addrs: readonly VhostAddr[]) {
    this.isVirtual = isVirtual;
    this.file = file;
    this.line = line;
    this.addrs = addrs;
  }
}

/** What a Host value stands for, at an address. */
export interface HostChoice {
  /** As received. */
  readonly value: string;
  /** Lower case, without port. */
  readonly name: string;
  /** Whose name it is; null: nobody's, so the address's default serves. */
  readonly server: ServerRec | null;
}

/** Fields that say to a backend who asks, and what they were made of. */
export interface ForwardedLines {
  readonly ip: string;
  readonly host: string;
  readonly server: string;
  readonly lines: string;
}

/** A client's connection. */
export class ConnRec {
  readonly id: number;
  readonly process: ProcessRec;
  /** The peer, without the ::ffff: of IPv4 on an IPv6 socket; "" on a unix socket. */
  readonly peerIp: string;
  readonly peerPort: number;
  readonly localIp: string;
  readonly localPort: number;
  /** The virtual hosts of the local address, the default first; never empty. */
  readonly vhosts: readonly ServerRec[];
  /** TLS is spoken on it. */
  secure: boolean;
  /** What is spoken: "http/1.1", "h2" with TLS, "h2c" without. */
  protocol = "http/1.1";
  /** The connection on which this one, of a stream of HTTP/2, is; null: it is one itself. */
  readonly master: ConnRec | null;
  /** Of the last request that had a good Host: the next one has the same. */
  host: HostChoice | null = null;
  /** What the last request told its backend of the client. */
  forwarded: ForwardedLines | null = null;
  /** Requests read so far. */
  keepalives = 0;
  /** The client left. */
  aborted = false;
  /** No request is read after the one at hand. */
  closing = false;
  /** Names the connection in the logs, once something was written about it; "" until then. */
  logId = "";

  constructor(init: {
    id: number;
    process: ProcessRec;
    peerIp: string;
    peerPort: number;
    localIp: string;
    localPort: number;
    vhosts: readonly ServerRec[];
    secure: boolean;
    master?: ConnRec;
  }) {
    this.master = init.master ?? null;
    this.id = init.id;
    this.process = init.process;
    this.peerIp = init.peerIp;
    this.peerPort = init.peerPort;
    this.localIp = init.localIp;
    this.localPort = init.localPort;
    this.vhosts = init.vhosts;
    this.secure = init.secure;
  }
}

/** Takes a request's body. Calls come after `read`, in order; `onBodyEnd` or `onBodyError` is the last. */
export interface BodyConsumer {
  /** The socket that it writes to what it gets, within the call, and keeps nothing. @default null: it keeps it */
  readonly passesTo?: Socket | null;
  /** `bytes` may be kept, unless they are passed on. */
  onBody(bytes: Bytes): void;
  onBodyEnd(): void;
  /** 400 malformed or cut short, 408 too slow, 413 too large. */
  onBodyError(status: Status, why: string): void;
}

/** A request's body, read on demand. */
export interface RequestBody {
  /** What the client announced: bytes, -1 for chunked, 0 for none. */
  readonly length: number;
  /** Content-Length or Transfer-Encoding was present. */
  readonly announced: boolean;
  /** The last byte was delivered. */
  readonly ended: boolean;
  /** Somebody reads it, or did. */
  readonly taken: boolean;
  /** Nobody needs what lies in front of its bytes in their buffers. */
  readonly alone: boolean;
  /** Delivers to `consumer` from here on; sends 100 Continue first if the client waits for it and it was not sent. */
  read(consumer: BodyConsumer): void;
  pause(): void;
  resume(): void;
}

/** A client's connection that speaks no HTTP any more. */
export interface UpgradedClient {
  /** Not read from before `resume`. */
  readonly socket: Socket;
  /** What came behind the request already; null: nothing. */
  readonly early: Bytes | null;
  /** The client sends no more. */
  readonly ended: boolean;
}

/** The way of a response to the client. */
export interface ResponseOut {
  /** What leaves from here on is the response to `r`, which an internal redirect made of the request. */
  serve(r: RequestRec): void;
  /** The head left, or is bound to. */
  readonly started: boolean;
  /** The final byte was handed to the socket, or the response was given up. */
  readonly ended: boolean;
  /** A field that the head has besides those of the tables: framing, persistence. For the log. */
  sentField(name: string): string | undefined;
  /** Sends a 1xx response. HTTP/1.0 clients get none. */
  interim(status: Status, reason: string, headers: HeaderTable): void;
  /**
   * Fixes the head from `r.status`, `r.statusLine` and the header tables; it leaves with the first bytes of the body.
   * @param length of the body in bytes; -1 when unknown
   */
  begin(length: number): void;
  /**
   * Sends body bytes [start, end) of `bytes`. False: wait for `onClientDrain`.
   * @param from the socket in whose `onData` this happens, if the buffer is the socket's: what is not sent at once is
   *   copied by it. Without it the bytes must stay as they are.
   */
  write(bytes: Bytes, start: number, end: number, from?: Socket): boolean;
  /** Sends a latin-1 text as body bytes. */
  writeText(text: string): boolean;
  /** Lets go of a head that waits for body bytes. */
  flush(): void;
  end(): void;
  /** Gives up in the middle: the client sees a body cut short. */
  abort(): void;
  /** Ends HTTP on this connection: `owner` gets its bytes and closes it. A head for it is sent before, by `interim`. */
  upgrade(owner: SocketOwner): UpgradedClient;
  /** `upgrade` must have a 101 by `interim` before it: what goes to the client has another form than the backend's answer. */
  readonly needs101?: boolean;
  /** Fields behind the body; null or absent: none. Of use to clients of HTTP/2 only. To be set before `end`. */
  trailers?: HeaderTable | null;
  /** The client wants a WebSocket, on a front that has messages and no bytes for one; null or absent otherwise. */
  readonly webSocket?: WebSocketOffer | null;
  /** Who makes the response, and is told of the client's side until the response has ended. */
  watcher: ResponseWatcher | null;
}

/** What who makes a response must know of the client. */
export interface ResponseWatcher {
  /** After `write` answered false, once there is room. */
  onClientDrain(): void;
  /** The client left before the end. */
  onClientGone(): void;
}

/** What a proxied request is: not one, reverse. (sluice is no forward proxy.) */
export type ProxyReq = "none" | "reverse";

/** The backend URL that a request was mapped to, not canonical until the fixups. */
export interface MappedUrl extends FilenameSource {
  /** scheme://host[:port] */
  readonly origin: string;
  /** The rest; may be empty. The query is in it only if `raw`. */
  readonly path: string;
  /** nocanon: the path is the client's own bytes and ends in its query; send both as they are. */
  readonly raw: boolean;
  /** mapping=: the path is encoded already; the query is still to be added. */
  readonly encoded: boolean;
}

/** Makes `RequestRec.filename` when somebody asks for it. */
export interface FilenameSource {
  readonly filename: string;
}

/** Variables of a request's environment that are made when somebody asks for them. */
export interface EnvSource {
  readonly envNames: readonly string[];
  getEnv(name: string): string | undefined;
}

/** The same for notes. */
export interface NoteSource {
  getNote(name: string): string | undefined;
}

/** A request. */
export class RequestRec {
  readonly conn: ConnRec;
  server: ServerRec;
  /** The merged configuration of the sections that match, then also of <Proxy>. */
  perDirConfig: ConfigVector;
  /** Microseconds since 1970 at which the head was complete. */
  readonly requestTimeUs: number;
  private readonly lineText: string;
  private readonly lineLength: number;
  readonly method: string;
  /** The target as received. */
  readonly unparsedUri: string;
  /** 9, 1000, 1001 or 2000: HTTP/0.9, 1.0, 1.1, 2.0. */
  protoNum: number;
  readonly headersIn: HeaderTable;
  private responseHeaders: HeaderTable | null = null;
  /** Sent with error pages, too. */
  errHeadersOut: HeaderTable | null = null;
  /** Path of the target with dot segments resolved, still percent-encoded. */
  encodedUri = "";
  /** The same, decoded. */
  uri = "";
  /** The query without its "?"; null: there is none. */
  args: string | null = null;
  /** Host of the target or of Host, lower case, without port; "" if there is none. */
  hostname = "";
  /** Of a request that only asks whether a URI would be served: the one that asks. */
  main: RequestRec | null = null;
  status: Status = 200;
  /** "404 Not here" when the reason is not the standard one. */
  statusLine: string | null = null;
  /** The handler that serves the content, "proxy-server" for one that is proxied. */
  handler = "";
  /** What it was mapped to if it is proxied. */
  mapped: MappedUrl | null = null;
  private name = "";
  private nameSource: FilenameSource | null = null;
  proxyreq: ProxyReq = "none";
  /** The response is a page that the server makes for an error. */
  errorPage = false;
  /** The response is the server's own word: no module adds to it. */
  unfiltered = false;
  /** The type of the response is known from elsewhere, not from a field that a backend sent. */
  ownType = false;
  /** A module set a response field that must not be sent: the response becomes an error page. */
  illegalHeader = false;
  /** What an error page says, besides the standard text; HTML-escaped by the page. */
  errorNotes: string | null = null;
  body!: RequestBody;
  out!: ResponseOut;
  outputFilters: OutputFilter[] | null = null;
  /** The client waits for 100 Continue. */
  expecting100 = false;
  /** The client asked with HEAD. An ErrorDocument is fetched with GET all the same. */
  headerOnly: boolean;
  /** The request that an internal redirect made this one of. */
  prev: RequestRec | null = null;
  /** The request that an internal redirect made of this one. */
  next: RequestRec | null = null;
  /** The server's error log, at the levels of the sections that match. */
  log: ErrorLog;
  /** Names the request in the logs, once something was written about it; "" until then. */
  logId = "";
  /** Body bytes sent to the client. */
  bytesSent = 0;
  /** Bytes read from and written to the client for this request, heads and framing included. */
  wireIn = 0;
  wireOut = 0;
  /** When the response began to leave, in microseconds since 1970; 0: it did not, or nobody asked. */
  firstByteUs = 0;
  /** Who the client is: the peer, unless a proxy in front that is trusted names another. */
  useragentIp: string;
  useragentPort: number;
  /** Who the client proved to be; null: nobody asked. */
  user: string | null = null;
  /** How `user` was proved: "Basic". */
  authType: string | null = null;
  /** What modules keep for a request, by `Module.index`; made when first needed. */
  private config: unknown[] | null = null;
  private environment: HeaderTable | null = null;
  private envSource: EnvSource | null = null;
  private noteTable: HeaderTable | null = null;
  /** Is asked for notes that nobody has set. */
  noteSource: NoteSource | null = null;

  constructor(
    conn: ConnRec,
    server: ServerRec,
    head: {
      method: string;
      target: string;
      protoNum: number;
      /** Or a text that begins with it, if `lineLength` is given. */
      requestLine: string;
      lineLength?: number;
      headers: HeaderTable;
    },
    requestTimeUs: number,
  ) {
    this.conn = conn;
    this.server = server;
    this.useragentIp = conn.peerIp;
    this.useragentPort = conn.peerPort;
    this.perDirConfig = server.config;
    this.method = head.method;
    this.headerOnly = head.method === "HEAD";
    this.log = server.log;
    this.unparsedUri = head.target;
    this.protoNum = head.protoNum;
    this.lineText = head.requestLine;
    this.lineLength = head.lineLength ?? head.requestLine.length;
    this.headersIn = head.headers;
    this.requestTimeUs = requestTimeUs;
  }

  /** "proxy:URL" for a proxied request. */
  get filename(): string {
    return this.nameSource === null ? this.name : this.nameSource.filename;
  }

  set filename(name: string) {
    this.name = name;
    this.nameSource = null;
  }

  get requestLine(): string {
    return this.lineText.slice(0, this.lineLength);
  }

  /** Whether all its characters are 1 in `chars`. No string is made of it. */
  requestLineIsOf(chars: Uint8Array): boolean {
    return isOf(this.lineText, 0, this.lineLength, chars);
  }

  get headersOut(): HeaderTable {
    this.responseHeaders ??= new HeaderTable();
    return this.responseHeaders;
  }

  set headersOut(headers: HeaderTable) {
    this.responseHeaders = headers;
  }

  /** Who answers for `filename`, until it is set; null: it was set. */
  get filenameSource(): FilenameSource | null {
    return this.nameSource;
  }

  set filenameSource(source: FilenameSource | null) {
    this.nameSource = source;
  }

  /** subprocess_env: names are case-blind, as those of every apr_table_t. */
  getEnv(name: string): string | undefined {
    return this.environment?.get(name) ?? this.envSource?.getEnv(name);
  }

  setEnv(name: string, value: string): void {
    this.environment ??= new HeaderTable();
    this.environment.set(name, value);
  }

  unsetEnv(name: string): void {
    this.takeFromSource();
    this.environment?.unset(name);
  }

  /** Variables of `source` are part of the environment from here on, behind those set by name. */
  setEnvSource(source: EnvSource): void {
    if (source !== this.envSource) this.takeFromSource();
    this.envSource = source;
  }

  get env(): HeaderTable {
    this.takeFromSource();
    this.environment ??= new HeaderTable();
    return this.environment;
  }

  private takeFromSource(): void {
    const source = this.envSource;
    this.envSource = null;
    for (const name of source?.envNames ?? []) {
      const value = source!.getEnv(name);
      if (value !== undefined && this.environment?.has(name) !== true) this.setEnv(name, value);
    }
  }

  /** What modules tell each other, and the log, of a request: `%{NAME}n`. */
  getNote(name: string): string | undefined {
    return this.noteTable?.get(name) ?? this.noteSource?.getNote(name);
  }

  setNote(name: string, value: string): void {
    this.noteTable ??= new HeaderTable();
    this.noteTable.set(name, value);
  }

  getState<T>(module: Pick<Module, "index">): T | undefined {
    return this.config?.[module.index] as T | undefined;
  }

  setState(module: Pick<Module, "index">, state: unknown): void {
    this.config ??= [];
    this.config[module.index] = state;
  }
}

/** "IP:PORT" of the client, for the error log. */
export function clientAddress(conn: ConnRec): string {
  return conn.peerIp === "" ? "unix" : `${conn.peerIp}:${conn.peerPort}`;
}
