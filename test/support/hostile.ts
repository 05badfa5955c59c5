/**
 * One raw case against a proxy, told in one line: what the client got, and what the backends saw of it.
 *
 *     "200 after <- POST /x "hello""   an answer, the connection goes on; the backend got this request
 *     "400"                            an answer and the end of the connection; no backend got anything
 *
 * Works on any server that serves `hostileConf`: httpd too, when its behaviour is the question.
 */
import { type Answer, type Backend, type BackendRequest, head, ok } from "./backend.ts";
import { type Client, connectClient } from "./client.ts";
import type { Message } from "./message.ts";

/** Sent behind the bytes of each case, in the same write: answered only if they left the connection in order. */
const AFTER = "GET /b/after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/** For httpd the modules must be loaded before; PORT and the log are the runner's. */
export function hostileConf(backend: Backend, other: Backend): string {
  return `
    Listen 127.0.0.1:PORT
    ServerName front.test
    MaxKeepAliveRequests 0
    LogLevel warn
    <VirtualHost *:PORT>
      ServerName front.test
      ProxyPass "/b/" "${backend.url}/"
      ProxyPassReverse "/b/" "${backend.url}/"
      ProxyPassReverseCookiePath "/" "/b/"
      ProxyPass "/raw/" "${backend.url}/" nocanon
      ProxyPass "/ip/" "${backend.url}/"
      <Location "/ip/">
        Require ip 10.9.8.7
      </Location>
      Redirect "/moved" "http://front.test/to"
      RewriteEngine On
      RewriteRule "^/go/(.*)$" "/to/$1" [R,L]
      RewriteRule "^/goraw/(.*)$" "/to/$1" [R,NE,L]
      RewriteRule "^/p/(.*)$" "${backend.url}/$1" [P]
      RewriteRule "^/b/cookie/(.*)$" "-" [CO=a:$1:front.test]
      <Location "/b/echo">
        Header set X-Echo "expr=%{unescape:%{QUERY_STRING}}"
        RequestHeader set X-Sent "expr=%{unescape:%{QUERY_STRING}}"
      </Location>
    </VirtualHost>
    <VirtualHost *:PORT>
      ServerName other.test
      ProxyPass "/b/" "${other.url}/"
    </VirtualHost>
  `;
}

/** The modules of httpd that `hostileConf` needs. */
export const HOSTILE_MODULES: readonly string[] = [
  ...["mpm_event", "authz_core", "authz_host", "proxy", "proxy_http", "reqtimeout"],
  ...["alias", "rewrite", "headers"],
];

export interface Told {
  /** Fields of the requests at the backend whose values are told. */
  readonly shows?: readonly string[];
  /** The same of the client's answers. */
  readonly gives?: readonly string[];
  /** The message is not whole: the client says so by a FIN, and nothing is sent behind it. */
  readonly fin?: boolean;
}

/** Sends the bytes on a connection of their own and tells what came of them. */
export async function tellClientCase(
  port: number,
  backends: readonly Backend[],
  bytes: string,
  told: Told = {},
): Promise<string> {
  const before = backends.map((backend) => backend.requests.length);
  await using client = await connectClient(port);
  void client.send(told.fin ? bytes : bytes + AFTER);
  if (told.fin) client.end();
  await client.untilEnded();
  const seen = backends.flatMap((backend, i) =>
    backend.requests
      .slice(before[i])
      .filter(({ method, target }) => method !== "GET" || target !== "/after")
      .map((request) => tellRequest(request, i, told.shows)),
  );
  const hosts = backends.map((backend) => backend.port);
  return withoutPorts(`${tellAnswers(client, told.gives)}${seen.length > 0 ? ` <- ${seen.join(" | ")}` : ""}`, [
    port,
    ...hosts,
  ]);
}

/**
 * Lets the backend answer so, tells what a client got, and how another one fared after it:
 * "reused" or "fresh" is the backend connection of that one, which must get the answer to its own request.
 */
export async function tellBackendCase(
  port: number,
  backend: Backend,
  answer: Answer,
  method = "GET",
  gives?: readonly string[],
): Promise<string> {
  backend.routes = { "/x": answer };
  const base = backend.requests.length;
  await using client = await connectClient(port);
  await using second = await connectClient(port);
  void client.send(`${method} /b/x HTTP/1.1\r\nHost: a\r\n\r\n`);
  await client.until(() => client.ended || client.closed || client.responses[0]?.complete === true);
  // What the backend sent behind its answer, or its FIN, is with the server before this request is.
  await second.get("/b/barrier", "Host: other.test");
  void client.send(AFTER);
  await client.untilEnded();
  const mine = backend.requests.slice(base).find((request) => request.target === "/x");
  backend.routes = {};
  const response = await second.get("/b/mine", "Connection: close");
  const own = response.text === "GET /mine" ? "" : ` POISONED ${JSON.stringify(response.text)}`;
  const next = backend.requests.find((request, i) => i > base && request !== mine);
  const reused = mine !== undefined && next?.connection === mine.connection ? "reused" : "fresh";
  return withoutPorts(`${tellAnswers(client, gives, true)}; ${reused}${own}`, [port, backend.port]);
}

/** The default answer of the backends: it says which request it is for. */
export function echo(request: BackendRequest): Answer {
  return request.method === "HEAD" ? head(200) : ok(`${request.method} ${request.target}`);
}

function tellAnswers(client: Client, shows: readonly string[] | undefined, bodies = false): string {
  if (client.responses.length === 0) {
    if (client.received === "") return "nothing";
    return client.received.startsWith("<!DOCTYPE") ? `page ${/<title>(\d+)/.exec(client.received)?.[1]}` : "text";
  }
  return client.responses
    .map((response) => {
      if (response.status === 200 && response.text === "GET /after") return "after";
      const interim = response.interim.map((one) => `${one.status}${fieldsOf(one, shows)} `).join("");
      const page = response.text.startsWith("<!DOCTYPE");
      const body = bodies && !page ? quote(response.text) : "";
      return `${interim}${response.status}${fieldsOf(response, shows)}${body}${response.complete ? "" : " cut"}`;
    })
    .join(" ");
}

function tellRequest(request: BackendRequest, backend: number, shows: readonly string[] | undefined): string {
  const where = backend === 0 ? "" : `backend ${backend}: `;
  return `${where}${request.method} ${request.target}${fieldsOf(request, shows)}${quote(request.text)}${request.complete ? "" : " cut"}`;
}

function fieldsOf(message: Message, shows: readonly string[] | undefined): string {
  const texts = (shows ?? []).flatMap((name) => message.fieldAll(name).map((value) => `${name}: ${value}`));
  return texts.length === 0 ? "" : ` {${texts.join("; ")}}`;
}

function withoutPorts(text: string, ports: readonly number[]): string {
  let out = text;
  for (const port of ports) out = out.replaceAll(`:${port}`, ":PORT");
  return out;
}

function quote(text: string): string {
  if (text.length > 80) return ` [${text.length} bytes]`;
  return text === "" ? "" : ` ${JSON.stringify(text)}`;
}
