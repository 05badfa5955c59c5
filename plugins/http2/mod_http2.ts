/**
 * mod_http2: HTTP/2 to clients, by ALPN over TLS, at once where a client begins with it, or by Upgrade: h2c.
 * Source: httpd modules/http2/mod_http2.c
 *
 * The protocol is spoken here and not by node:http2: that of Deno 2.9.5 ends the whole process on memory errors when clients
 * send GOAWAY (github.com/denoland/deno/issues/36788; h2load -c 8 does it within seconds), and neither runtime's shows the
 * frames that floods are made of.
 */
import {
  type ConnRec,
  core,
  DECLINED,
  DONE,
  defineModule,
  fixups,
  getModuleConfig,
  HeaderTable,
  HTTP_11,
  type HttpSettings,
  handler,
  http,
  OK,
  processConnection,
  type RequestRec,
  type ServerRec,
  type Socket,
  type Status,
  serveHttp,
  settingsOf,
  UPGRADE,
  vhostNamed,
} from "../../modules/mod.ts";
import {
  addEarlyHint,
  checkDiary,
  checkPadding,
  checkPushPriority,
  checkPushResource,
  checkSwitch,
  http2Schema,
  onlySwitch,
  setNumber,
  setStreamTimeout,
  setSwitch,
} from "./config.ts";
import { Http2Connection } from "./connection.ts";
import { DirectReader } from "./direct.ts";
import { streamIdOf } from "./request.ts";
import { HTTP_20 } from "./request_head.ts";
import { readUpgrade, takeConnection } from "./upgrade.ts";

const THREADS = { noEffect: "about threads, of which a child has none" };
const PUSH = { noEffect: "nothing is pushed: clients no longer take it" };
const WRITES = { noEffect: "about how httpd writes; what is there leaves at once, in one piece" };

const http2 = defineModule({
  name: "mod_http2",
  needs: ["sockets"],
  config: http2Schema,
  append: ["hints"],
  commands: ({ take1, take2, take23, take123, raw }) => [
    take1(
      "H2MaxSessionStreams",
      "server",
      setNumber("maxSessionStreams", 1, "value must be > 0"),
      "maximum number of open streams per session",
    ),
    take1(
      "H2WindowSize",
      "server",
      setNumber("windowSize", 1024, "value must be >= 1024"),
      "window size on client DATA",
    ),
    take1(
      "H2StreamMaxMemSize",
      "server",
      setNumber("streamMaxMemSize", 1024, "value must be >= 1024"),
      "maximum number of bytes buffered in memory for a stream",
    ),
    take1(
      "H2MaxDataFrameLen",
      "server",
      setNumber("maxDataFrameLen", 0, "value must be 0 or larger"),
      "maximum number of bytes in a single HTTP/2 DATA frame",
    ),
    take1(
      "H2MaxHeaderBlockLen",
      "server",
      setNumber("maxHeaderBlockLen", 0, "value must be 0 or larger"),
      "maximum number of bytes in a response header block",
    ),
    take1(
      "H2MaxStreamErrors",
      "server",
      setNumber("maxStreamErrors", 0, "value must be 0 or larger"),
      "maximum number of flow control errors tolerated",
    ),
    take1("H2StreamTimeout", "server", setStreamTimeout, "set stream timeout"),
    take1("H2Direct", "server", setSwitch("direct"), "on to enable direct HTTP/2 mode"),
    take1("H2Upgrade", "any", setSwitch("upgrade"), "on to allow HTTP/1 Upgrades to h2/h2c", {
      differs: "with TLS nothing is upgraded: HTTP/2 is agreed on by ALPN",
    }),
    take1("H2ModernTLSOnly", "server", setSwitch("modernTlsOnly"), "off to not impose RFC 7540 restrictions on TLS"),
    take1("H2EarlyHints", "server", setSwitch("earlyHints"), "on to enable interim status 103 responses"),
    take2("H2EarlyHint", "any", addEarlyHint, "add a a 'Link:' header for a 103 Early Hints response."),
    take1("H2WebSockets", "server", setSwitch("webSockets"), "off to disable WebSockets over HTTP/2"),
    take1("H2Padding", "server", checkPadding, "set payload padding"),
    take1("H2Push", "any", checkSwitch, "off to disable HTTP/2 server push", PUSH),
    take1("H2PushDiarySize", "server", checkDiary, "size of push diary", PUSH),
    take23("H2PushPriority", "server", checkPushPriority, "define priority of PUSHed resources per content type", PUSH),
    take123(
      "H2PushResource",
      "any",
      checkPushResource,
      "add a resource to be pushed in this location/on this server.",
      PUSH,
    ),
    take1("H2OutputBuffering", "server", checkSwitch, "set stream output buffer on/off", WRITES),
    take1("H2TLSWarmUpSize", "server", () => {}, "number of bytes on TLS connection before doing max writes", WRITES),
    take1("H2TLSCoolDownSecs", "server", () => {}, "seconds of idle time on TLS before shrinking writes", WRITES),
    take1(
      "H2MinWorkers",
      "server",
      setNumber("", 1, "value must be > 0"),
      "minimum number of worker threads per child",
      THREADS,
    ),
    take1(
      "H2MaxWorkers",
      "server",
      setNumber("", 1, "value must be > 0"),
      "maximum number of worker threads per child",
      THREADS,
    ),
    take1(
      "H2MaxWorkerIdleSeconds",
      "server",
      () => {},
      "maximum number of idle seconds before a worker shuts down",
      THREADS,
    ),
    take1("H2SerializeHeaders", "server", () => {}, "disabled, this directive has no longer an effect.", WRITES),
    raw("H2SessionExtraFiles", "server", () => {}, "number of extra file a session might keep open (obsolete)", WRITES),
    take1("H2CopyFiles", "any", checkSwitch, "on to perform copy of file data", {
      noEffect: "about files, of which sluice serves none",
    }),
    take1(
      "H2ProxyRequests",
      "server",
      onlySwitch(true, "H2ProxyRequests On is not supported: sluice is no forward proxy"),
      "Enables forward proxy requests via HTTP/2",
    ),
  ],
  registerHooks({ hook }) {
    hook(processConnection, serveHttp2);
    hook(fixups, setVariables);
    hook(handler, upgrade, { rank: "reallyFirst" });
  },
});
export default http2;

/** process_connection */
function serveHttp2(conn: ConnRec, socket: Socket): Status {
  const server = conn.vhosts[0]!;
  if (socket.tls?.alpn === "h2") {
    begin(conn, socket);
    return OK;
  }
  if (!mayBeginDirectly(conn, socket, server)) return DECLINED;
  new DirectReader(conn, socket, settings(server), (isHttp2) => {
    if (isHttp2) begin(conn, socket);
    else serveHttp(conn, socket);
  }).start();
  return OK;
}

/** The settings are those of the host that SNI names, as in httpd. */
function begin(conn: ConnRec, socket: Socket): void {
  const named = socket.tls === null ? undefined : vhostNamed(conn.vhosts, socket.tls.serverName);
  const server = named ?? conn.vhosts[0]!;
  new Http2Connection(conn, socket, settings(server), getModuleConfig(server.config, http2)).start();
}

/** handler: a request that asks for HTTP/2 is answered by it. Source: httpd server/core.c core_upgrade_handler */
function upgrade(r: RequestRec): Status {
  if (!r.headersIn.hasId(UPGRADE) || r.protoNum !== HTTP_11 || r.conn.secure) return DECLINED;
  if (!getModuleConfig(r.server.config, http).protocols.includes("h2c")) return DECLINED;
  if (getModuleConfig(r.perDirConfig, http2).upgrade === false) return DECLINED;
  const asked = readUpgrade(r);
  if (asked === null) return DECLINED;
  const { conn } = r;
  const server = conn.vhosts[0]!;
  const { socket, early, state } = takeConnection(r);
  const connection = new Http2Connection(conn, socket, settings(server), getModuleConfig(server.config, http2));
  // When this request is logged: its answer is that of the stream's.
  queueMicrotask(() => {
    if (!state.closed) connection.startUpgraded(asked, early);
  });
  return DONE;
}

/** H2Direct: without TLS it is on where Protocols has h2c, with TLS it is off unless it is said. */
function mayBeginDirectly(conn: ConnRec, socket: Socket, server: ServerRec): boolean {
  const { protocols } = getModuleConfig(server.config, http);
  if (protocols.length === 0) return false;
  const { direct } = getModuleConfig(server.config, http2);
  if (socket.tls !== null) return direct === true && socket.tls.alpn === "" && protocols.includes("h2");
  return direct !== false && !conn.secure && protocols.includes("h2c");
}

function settings(server: ServerRec): HttpSettings {
  return settingsOf(server, () => getModuleConfig(server.config, http), getModuleConfig(server.config, core).timeoutMs);
}

/** fixups: the variables of a request that came on a stream, and hints that go before its answer. */
function setVariables(r: RequestRec): Status {
  if (r.protoNum < HTTP_20) return DECLINED;
  const id = streamIdOf(r.conn);
  r.setEnv("HTTP2", "on");
  r.setEnv("H2PUSH", "off");
  r.setEnv("H2_PUSH", "off");
  r.setEnv("H2_PUSHED", "");
  r.setEnv("H2_PUSHED_ON", "");
  r.setEnv("H2_STREAM_ID", String(id));
  r.setEnv("H2_STREAM_TAG", `${r.server.process.pid}-${r.conn.id}-${id}`);
  const { hints } = getModuleConfig(r.perDirConfig, http2);
  if (hints.length > 0 && r.prev === null) sendHints(r, hints);
  return DECLINED;
}

function sendHints(r: RequestRec, hints: readonly (readonly [name: string, value: string])[]): void {
  const fields = new HeaderTable();
  for (const [name, value] of hints) fields.add(name, value);
  r.out.interim(103, "Early Hints", fields);
}
