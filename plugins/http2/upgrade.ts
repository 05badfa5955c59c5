/**
 * Upgrade: h2c: a request of HTTP/1.1 that goes on as the first stream of HTTP/2 on the same connection.
 * Source: RFC 7540 section 3.2; httpd server/core.c core_upgrade_handler; modules/http2/h2_switch.c
 */
import {
  type Bytes,
  CONNECTION,
  connectionTokens,
  HeaderTable as Fields,
  type HeaderTable,
  HOST,
  KEEP_ALIVE,
  latin1Bytes,
  PROXY_CONNECTION,
  type RequestRec,
  type Socket,
  type SocketOwner,
  TE,
  TRANSFER_ENCODING,
  UPGRADE,
} from "../../modules/mod.ts";

/** What a client has asked for that may be had. */
export interface UpgradeRequest {
  /** The payload of the SETTINGS that it would have sent. */
  readonly settings: Bytes;
  /** The request as a header block: name, value, name, value... */
  readonly fields: readonly string[];
}

const SETTINGS_FIELD = "HTTP2-Settings";

/** null: the request asks for no upgrade to h2c, or has a body, or not all that belongs to it. */
export function readUpgrade(r: RequestRec): UpgradeRequest | null {
  const { headersIn } = r;
  if (r.body.length !== 0 || r.prev !== null || !/^[/*]/.test(r.unparsedUri) || !names(headersIn, UPGRADE, "h2c"))
    return null;
  if (!names(headersIn, CONNECTION, "upgrade") || !names(headersIn, CONNECTION, "http2-settings")) return null;
  const [text, ...more] = headersIn.getAll(SETTINGS_FIELD);
  if (text === undefined || more.length > 0 || !/^[\w-]*$/.test(text)) return null;
  const settings = latin1Bytes(atob(text.replace(/-/g, "+").replace(/_/g, "/")));
  return settings.length % 6 === 0 ? { settings, fields: blockOf(r) } : null;
}

function names(headers: HeaderTable, id: number, wanted: string): boolean {
  let found = false;
  for (let i = headers.indexOfId(id); i >= 0; i = headers.indexOfId(id, i + 1)) {
    connectionTokens(headers.valueAt(i), (token) => {
      if (token.toLowerCase() === wanted) found = true;
    });
  }
  return found;
}

/** What HTTP/2 would have brought. */
function blockOf(r: RequestRec): string[] {
  const { headersIn } = r;
  const host = headersIn.getId(HOST) ?? "";
  const fields = [":method", r.method, ":scheme", "http", ":path", r.unparsedUri, ":authority", host];
  const { ids } = headersIn;
  for (let i = 0; i < ids.length; i++) {
    const name = headersIn.nameAt(i).toLowerCase();
    if (!OF_THE_CONNECTION.has(ids[i]!) && name !== "http2-settings") fields.push(name, headersIn.valueAt(i));
  }
  return fields;
}

const OF_THE_CONNECTION = new Set([HOST, CONNECTION, UPGRADE, KEEP_ALIVE, PROXY_CONNECTION, TE, TRANSFER_ENCODING]);

/** Whose the connection is until HTTP/2 has it: nothing is read meanwhile, but it may close. */
class Between implements SocketOwner {
  closed = false;

  onData(): void {}
  onDrain(): void {}
  onEnd(): void {}
  onClose(): void {
    this.closed = true;
  }
}

/** A connection on which 101 was answered. */
export interface TakenConnection {
  readonly socket: Socket;
  /** What came behind the request. */
  readonly early: Bytes | null;
  readonly state: { readonly closed: boolean };
}

export function takeConnection(r: RequestRec): TakenConnection {
  const headers = new Fields();
  headers.add("Upgrade", "h2c");
  headers.add("Connection", "Upgrade");
  r.status = 101;
  r.out.interim(101, "Switching Protocols", headers);
  const state = new Between();
  const { socket, early } = r.out.upgrade(state);
  return { socket, early, state };
}
