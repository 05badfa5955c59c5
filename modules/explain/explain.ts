/**
 * `explain METHOD URL`: the way of a request through the real phases, with backends of paper.
 */
import type { Directive } from "../config/directive.ts";
import { ErrorLog, LEVELS, type LogMessage } from "../core/error_log.ts";
import type { ConnRec, ProcessRec, RequestRec } from "../core/records.ts";
import { hostName } from "../http/host.ts";
import { nodeHost } from "../mpm/host.ts";
import { type LoadOptions, loadConfig } from "../mpm/load.ts";
import { nodeSockets } from "../net/node.ts";
import { getProxyConfig } from "../proxy/config.ts";
import type { ProxyUrl } from "../proxy/url.ts";
import { acceptConnection } from "../server/connection.ts";
import { startGeneration } from "../server/lifecycle.ts";
import core from "../server/mod_core.ts";
import { vhostsOf } from "../server/vhost.ts";
import { observer, Story } from "./observer.ts";
import { PaperSocket, paperHost } from "./paper.ts";

/** What is asked. */
export interface Question {
  readonly method: string;
  /** "http://host:port/path?query", or a path. */
  readonly url: string;
  /** "Name: value" */
  readonly headers: readonly string[];
  /** The client's address. @default 127.0.0.1 */
  readonly from?: string | undefined;
  /** The address that the client connected to. @default that of the first listener of the port, else 127.0.0.1 */
  readonly to?: string | undefined;
}

/** What became of it. */
export interface Answer {
  readonly process: ProcessRec;
  readonly tree: readonly Directive[];
  readonly story: Story;
  /** What the client sent. */
  readonly request: string;
  readonly localIp: string;
  readonly localPort: number;
  /** The hosts that were to choose from. */
  readonly candidates: ConnRec["vhosts"];
  readonly log: readonly LogMessage[];
  /** Look-ups and connections that were not made. */
  readonly wishes: readonly string[];
  /** Head of what the backend got; "" if none was asked. */
  readonly toBackend: string;
  /** Head of the example that the backend answers with. */
  readonly fromBackend: string;
  /** Head of what the client gets. */
  readonly response: string;
}

/** How long a request may wait, for a member or for a service, before the story ends. */
const PATIENCE_MS = 30_000;

/** @throws ConfigError */
export async function explain(options: LoadOptions, question: Question): Promise<Answer> {
  const story = new Story();
  const log: LogMessage[] = [];
  const wishes: string[] = [];
  let example = "";
  let toBackend = "";
  const wish = (what: string): void => void wishes.push(what);
  const answer = (head: string): string => {
    if (example === "") {
      wishes.push(`an answer to ${head.split("\r\n")[0]!.replace(/ HTTP\/1\.\d$/, "")}: taken to be 200`);
      return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    }
    toBackend = head;
    return `${example}\r\n\r\n`;
  };
  const silent = { write() {} };
  const loaded = await loadConfig(
    {
      ...options,
      modules: [...options.modules, observer(story, (r, url) => (example = exampleOf(r, url)), wish)],
      seams: {
        host: { ...nodeHost, writer: { write() {}, rename() {} } },
        sockets: paperHost(nodeSockets, answer, wish),
        openErrorLog: () => silent,
        openLog: () => silent,
        missingLogFolder: () => null,
      },
    },
    0,
  );
  const { process } = loaded;
  startGeneration(process, null);
  tellAll(process, log, story);

  const asked = requestOf(process, question);
  // A server that expects the PROXY protocol closes a connection that begins without it.
  const proxied = `PROXY TCP${asked.peerIp.includes(":") ? 6 : 4} ${asked.peerIp} ${asked.localIp} 50000 ${asked.localPort}\r\n`;
  let response = await exchange(process, asked, asked.text);
  if (response === "" && story.requests.length === 0) response = await exchange(process, asked, proxied + asked.text);
  return {
    process,
    tree: loaded.tree,
    story,
    request: asked.text,
    localIp: asked.localIp,
    localPort: asked.localPort,
    candidates: vhostsOf(process.servers, asked.localIp, asked.localPort),
    log,
    wishes,
    toBackend,
    fromBackend: example,
    response,
  };
}

/** The bytes of a client on a connection; answers the head of the response, "" if there is none. */
async function exchange(process: ProcessRec, asked: Asked, bytes: string): Promise<string> {
  let done = (): void => {};
  const ended = new Promise<void>((resolve) => {
    done = resolve;
  });
  const { peerIp, localIp, localPort, secureFor } = asked;
  const ends = { remoteAddress: peerIp, remotePort: 50000, localAddress: localIp, localPort };
  const client = new PaperSocket(ends, ({ text }) => {
    if (headOf(text) !== "") done();
  });
  client.secureFor = secureFor;
  client.onClosed = done;
  acceptConnection(process, client);
  client.deliver(bytes);
  const timer = setTimeout(done, PATIENCE_MS);
  await ended;
  clearTimeout(timer);
  return headOf(client.text);
}

/** The head of the final response, if it is there. */
function headOf(text: string): string {
  const last = text.replace(/^(HTTP\/1\.1 1\d\d[\s\S]*?\r\n\r\n)+/, "");
  return /^HTTP\/1\.\d (?!1\d\d)/.test(last) ? last.split("\r\n\r\n")[0]! : "";
}

/** Every message of every module, whatever LogLevel says. */
class FullLog extends ErrorLog {
  override at(): this {
    return this;
  }
}

/** What is said of no request is said of the one at hand. */
function tellAll(process: ProcessRec, messages: LogMessage[], story: Story): void {
  const levels = { base: LEVELS.length, modules: new Map<string, number>() };
  const main = (message: LogMessage): string => {
    messages.push({ ...message, request: message.request ?? story.requests.at(-1)?.r ?? null });
    return "";
  };
  const formats = { main, request: [], connection: [] };
  const log = new FullLog({ write() {} }, () => process.clock.wallUs(), process.pid, levels, formats);
  for (const server of process.servers) server.log = log;
  (process as { log: ErrorLog }).log = log;
}

/** A request on the connection that it would come by. */
interface Asked {
  readonly peerIp: string;
  readonly localIp: string;
  readonly localPort: number;
  /** The name that the client gives in its handshake; null: it speaks plain HTTP. */
  readonly secureFor: string | null;
  readonly text: string;
}

function requestOf(process: ProcessRec, question: Question): Asked {
  const { method, url, headers, from = "127.0.0.1" } = question;
  const match = /^(https?):\/\/([^/?#]*)(.*)$/i.exec(url);
  const secure = match?.[1]?.toLowerCase() === "https";
  const authority = match?.[2] ?? "";
  const path = match === null ? url : match[3]!.startsWith("/") ? match[3]! : `/${match[3]}`;
  const listeners = (process.servers[0]!.config[core.index] as { listen: { address: string; port: number }[] }).listen;
  const named = /:(\d+)$/.exec(authority)?.[1];
  const wanted = named !== undefined ? Number(named) : match === null ? (listeners[0]?.port ?? 80) : secure ? 443 : 80;
  const to = /^(.*?)(?::(\d+))?$/.exec(question.to ?? "")!;
  // A host behind a port mapping: with one listener there is no doubt.
  const listener = listeners.find(({ port }) => port === wanted) ?? (listeners.length === 1 ? listeners[0] : undefined);
  const localPort = to[2] !== undefined ? Number(to[2]) : (listener?.port ?? wanted);
  const localIp = to[1] || listener?.address || "127.0.0.1";
  const peerIp = from.replace(/^\[(.*)\]$/, "$1");
  const vhosts = vhostsOf(process.servers, localIp, localPort);
  const fields = headers.map((line) => line.replace(/^([^:]*):[ \t]*/, "$1: "));
  const has = (name: string) =>
    fields.find((field) => field.toLowerCase().startsWith(`${name}: `))?.slice(name.length + 2);
  if (has("host") === undefined) fields.unshift(`Host: ${authority || vhosts[0]!.hostname || "localhost"}`);
  const length = Number(has("content-length") ?? 0);
  const body = has("transfer-encoding") !== undefined ? "0\r\n\r\n" : "x".repeat(Math.min(length || 0, 1_000_000));
  const text = `${method} ${path} HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\n${body}`;
  const name = hostName(authority || (has("host") ?? ""));
  const secureFor = !secure ? null : /^[\d.]+$|:/.test(name) ? "" : name;
  return { peerIp, localIp, localPort, secureFor, text };
}

/** An answer of the backend that has every field which ProxyPassReverse and its kin rewrite. */
function exampleOf(r: RequestRec, url: ProxyUrl): string {
  const conf = getProxyConfig(r.perDirConfig);
  const port = url.port === 0 ? "" : `:${url.port}`;
  const lines = [
    "HTTP/1.1 200 OK",
    "Date: Thu, 01 Jan 1970 00:00:00 GMT",
    "Content-Type: text/html",
    "Content-Length: 0",
  ];
  if (conf.reverses.length > 0)
    lines.push(`Location: ${url.scheme}://${url.host}${port}${url.target.replace(/\?.*/, "")}`);
  const path = conf.cookiePaths[0]?.internal;
  const domain = conf.cookieDomains[0]?.internal;
  if (path !== undefined || domain !== undefined) {
    const attributes = [path === undefined ? [] : [`Path=${path}`], domain === undefined ? [] : [`Domain=${domain}`]];
    lines.push(`Set-Cookie: ${["name=value", ...attributes.flat()].join("; ")}`);
  }
  return lines.join("\r\n");
}
