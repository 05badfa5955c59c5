/**
 * The parameters of a manager's request: where they come from, how they are decoded, when all of them are ignored.
 * Source: httpd modules/proxy/mod_proxy_balancer.c push2table, balancer_handler
 */
import {
  type BodyConsumer,
  type Bytes,
  isCrossSite,
  isOwnHost,
  type RequestRec,
  type Status,
} from "../../modules/mod.ts";

/** httpd reads so much of a body, and no more. */
const MAX_BODY_BYTES = 1024;
/** A GET changes nothing: it says what to show. */
const OF_GET = new Set(["w", "b", "nonce", "xml"]);

/** Names in lower case: httpd keeps them in a table that does not tell cases apart. */
export type Params = ReadonlyMap<string, string>;
const NONE: Params = new Map();

/** The parameters of a GET, out of its query. */
export function queryParams(r: RequestRec): Params {
  return trusted(r) ? parseParams(r.args ?? "", OF_GET) : NONE;
}

/** The parameters of a POST, out of its body alone; a status if the body did not come. */
export async function bodyParams(r: RequestRec): Promise<Params | Status> {
  const body = await readBody(r);
  if (typeof body === "number") return body;
  return trusted(r) ? parseParams(body, null) : NONE;
}

/**
 * Splits at "&" and the first "="; of a name that comes again the last value counts. Values are decoded twice: links and
 * forms of the manager encode them twice. A "+" stays one; a NUL ends the value.
 * @param known null: any name
 */
export function parseParams(text: string, known: ReadonlySet<string> | null): Params {
  const params = new Map<string, string>();
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    if (known !== null && !known.has(name)) continue;
    const value = equals < 0 ? "" : decode(decode(pair.slice(equals + 1)));
    params.set(name.toLowerCase(), value.split("\0", 1)[0]!);
  }
  return params;
}

/** One character per byte; a "%" that two hexadecimal digits do not follow stays as it is. */
function decode(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/**
 * httpd's rule: a Referer of this host, or the parameters do not count. What newer browsers say of a request's origin must
 * not contradict.
 */
function trusted(r: RequestRec): boolean {
  const referer = r.headersIn.get("Referer");
  if (referer !== undefined && isOwnHost(r, referer) && !isCrossSite(r)) return true;
  r.log.error(
    "proxy_balancer",
    "AH10187",
    `ignoring params in balancer-manager cross-site access ${referer ?? "(null)"}: ${r.hostname || r.server.hostname}`,
    { client: `${r.useragentIp}:${r.useragentPort}` },
  );
  return false;
}

function readBody(r: RequestRec): Promise<string | Status> {
  return new Promise((resolve) => {
    r.body.read(new FirstBytes(resolve));
  });
}

/** Keeps the first bytes of a body, and lets the rest pass. */
class FirstBytes implements BodyConsumer {
  private text = "";
  private readonly done: (result: string | Status) => void;

  constructor(done: (result: string | Status) => void) {
    this.done = done;
  }

  onBody(bytes: Bytes): void {
    const room = MAX_BODY_BYTES - this.text.length;
    if (room > 0) this.text += bytes.latin1Slice(0, Math.min(room, bytes.length));
  }

  onBodyEnd(): void {
    this.done(this.text);
  }

  onBodyError(status: Status): void {
    this.done(status);
  }
}
