/**
 * A parsed head → RequestRec: which virtual host, which path, which body.
 * Source: httpd server/protocol.c, ap_read_request, ap_check_request_header; server/vhost.c
 */
import { getModuleConfig } from "../core/module.ts";
import { type ConnRec, type HostChoice, RequestRec, type ServerRec } from "../core/records.ts";
import type { Status } from "../core/status.ts";
import { CONTENT_LENGTH, EXPECT, type HeaderTable, HOST, TRANSFER_ENCODING } from "../core/table.ts";
import { detached } from "../core/text.ts";
import core from "../server/mod_core.ts";
import { allowed } from "../server/request.ts";
import { requestScheme } from "../server/server_name.ts";
import { vhostNamed, vhostOfPath } from "../server/vhost.ts";
import { isChunked } from "./field_value.ts";
import { HTTP_11, trimOws } from "./head.ts";
import { checkHost, hostName } from "./host.ts";
import type { RequestHead } from "./request_head.ts";

/** What a head says of the body behind it. */
export interface BodyHead {
  /** Bytes; -1: chunked. */
  readonly length: number;
  readonly announced: boolean;
  /** Nothing that follows on the connection can be trusted to be a request. */
  readonly closes: boolean;
}

export interface ReadRequest {
  readonly r: RequestRec;
  readonly body: BodyHead;
  /** 0, or the status to refuse the request with. */
  readonly refused: Status;
}

const NO_BODY: BodyHead = { length: 0, announced: false, closes: false };

/** Makes the record. A request that must be refused has one, too, for its page and its log line. */
export function readRequest(conn: ConnRec, head: RequestHead, bad: Status): ReadRequest {
  const init = {
    method: head.method || "GET",
    target: head.target,
    protoNum: head.protocol,
    requestLine: head.lineText,
    lineLength: head.lineLength,
    headers: head.headers,
  };
  const r = new RequestRec(conn, conn.vhosts[0]!, init, conn.process.clock.wallUs());
  if (bad !== 0) {
    r.errorNotes = head.note || null;
    return { r, body: NO_BODY, refused: bad };
  }
  // Looked for before an absolute target stands in for it: RFC 9112 section 3.2 asks for both.
  const hostless = !head.headers.hasId(HOST);
  const target = readTarget(r, head);
  if (target === 405) {
    chooseVhost(r);
    r.headersOut.set("Allow", allowed(r));
  }
  if (target !== 0) return { r, body: NO_BODY, refused: target };
  if (hostless && r.protoNum >= HTTP_11) {
    r.log.info("core", "AH00569", "client sent HTTP/1.1 request without hostname (see RFC2616 section 14.23)", r);
    return { r, body: NO_BODY, refused: 400 };
  }
  const host = chooseVhost(r);
  // An absolute target has chosen the virtual host; the request has no Host all the same.
  if (hostless) r.headersIn.unsetId(HOST);
  if (host !== 0) return { r, body: NO_BODY, refused: host };
  return readFraming(r);
}

/** Origin form, or the path of an absolute one: this is no forward proxy. */
function readTarget(r: RequestRec, { path, query }: RequestHead): Status {
  const target = r.unparsedUri;
  if (path !== "" || target.charCodeAt(0) === 0x2f) {
    if (r.method === "CONNECT") return 400; // it asks for a host, and this is none
    r.encodedUri = path === "" ? target : path;
    r.args = query;
    return 0;
  }
  if (r.method === "CONNECT") return readAuthority(r);
  if (target === "*") {
    r.encodedUri = target;
    return r.method === "OPTIONS" ? 0 : 400;
  }
  const match = /^(https?):\/\/([^/?#]*)(.*)$/i.exec(target);
  if (match === null || match[2]!.includes("@")) return 400;
  if (r.protoNum >= HTTP_11 && !r.headersIn.hasId(HOST)) return noHost(r);
  const rest = match[3]!;
  r.encodedUri = rest.startsWith("/") ? rest : `/${rest}`;
  // Of another scheme than the connection's: the path is ours, the host is not taken from it.
  const sameScheme = match[1]!.toLowerCase() === requestScheme(r);
  if (sameScheme && match[2] !== "") r.headersIn.setId(HOST, "Host", match[2]!.toLowerCase());
  return 0;
}

/** CONNECT is for forward proxies. It is known by its host all the same. */
function readAuthority(r: RequestRec): Status {
  const target = r.unparsedUri;
  if (!/^(\[[^\]]*\]|[^:/?#@[\]]*):\d+$/.test(target)) return 400;
  r.encodedUri = "/";
  r.uri = "/";
  r.headersIn.setId(HOST, "Host", target.toLowerCase());
  return 405;
}

function chooseVhost(r: RequestRec): Status {
  const { conn, headersIn } = r;
  const at = headersIn.indexOfId(HOST);
  if (r.protoNum < HTTP_11 && (at < 0 || headersIn.valueLength(at) === 0)) {
    enter(r, vhostOfPath(conn.vhosts, r.encodedUri));
    return 0;
  }
  if (at < 0) return noHost(r);
  let { host } = conn;
  if (host === null || !headersIn.valueIs(at, host.value)) {
    host = choose(conn, headersIn, at);
    if (host === null) return 400;
    conn.host = host.value.length <= MAX_KEPT_LENGTH ? host : null;
  }
  r.hostname = host.name;
  if (host.server !== null) enter(r, host.server);
  return 0;
}

function noHost(r: RequestRec): Status {
  r.log.info("core", "AH00569", "client sent HTTP/1.1 request without hostname (see RFC2616 section 14.23)", r);
  return 400;
}

/** Choices made at an address, so that idle connections do not each keep a Host of their own. */
interface Choices {
  readonly known: Map<string, HostChoice>;
  /** Most connections begin with it. */
  last: HostChoice | null;
}

const choices = new WeakMap<readonly ServerRec[], Choices>();
const MAX_CHOICES = 1000;
/** No name in DNS is longer. */
const MAX_KEPT_LENGTH = 262;

/** null: the Host is bad, or nobody's where StrictHostCheck asks for somebody. */
function choose({ vhosts }: ConnRec, headersIn: HeaderTable, at: number): HostChoice | null {
  let made = choices.get(vhosts);
  if (made === undefined) choices.set(vhosts, (made = { known: new Map(), last: null }));
  const { known, last } = made;
  if (last !== null && headersIn.valueIs(at, last.value)) return last;
  const text = headersIn.valueAt(at);
  const host = text.length <= MAX_KEPT_LENGTH ? detached(text) : text;
  const before = known.get(host);
  if (before !== undefined) {
    made.last = before;
    return before;
  }
  if (!checkHost(host)) return null;
  const name = hostName(host);
  const strict = getModuleConfig(vhosts[0]!.config, core).strictHostCheck;
  const server = vhosts.length === 1 && !strict ? undefined : vhostNamed(vhosts, name);
  if (server === undefined && strict) return null;
  const choice: HostChoice = { value: host, name, server: server ?? null };
  if (known.size < MAX_CHOICES && host.length <= MAX_KEPT_LENGTH) known.set(host, choice);
  return choice;
}

function enter(r: RequestRec, server: ServerRec | undefined): void {
  if (server === undefined) return;
  r.server = server;
  r.log = server.log;
  r.perDirConfig = server.config;
}

function readFraming(r: RequestRec): ReadRequest {
  const { headersIn } = r;
  const coding = headersIn.getId(TRANSFER_ENCODING);
  const length = headersIn.indexOfId(CONTENT_LENGTH);
  let body = NO_BODY;
  if (coding !== undefined) {
    // Two ways to tell where a body ends is how requests are smuggled: the length is forgotten, the connection ends.
    const badLength = length >= 0 && headersIn.numberAt(length) < 0;
    headersIn.unsetId(CONTENT_LENGTH);
    if (r.protoNum < HTTP_11 || badLength) return refuse(r, 400);
    // Others besides chunked do not hide the end of the body; who passes it on refuses them.
    if (!isChunked(coding) && !/(^|,)[ \t]*chunked[ \t]*$/i.test(coding)) return refuse(r, 400);
    body = { length: -1, announced: true, closes: length >= 0 };
  } else if (length >= 0) {
    const bytes = headersIn.numberAt(length);
    if (bytes < 0) return refuse(r, 400);
    body = { length: bytes, announced: true, closes: false };
  }
  const expect = headersIn.getId(EXPECT);
  if (expect !== undefined && expect !== "") {
    if (trimOws(expect, 0).toLowerCase() !== "100-continue") {
      r.log.info("core", "AH00570", `client sent an unrecognized expectation value of Expect: ${expect}`, r);
      return { r, body, refused: 417 };
    }
    r.expecting100 = true;
  }
  return { r, body, refused: 0 };
}

function refuse(r: RequestRec, status: Status): ReadRequest {
  return { r, body: { length: 0, announced: false, closes: true }, refused: status };
}
