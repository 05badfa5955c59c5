/**
 * mod_auth_forward: a service is asked by HTTP whether a request may pass. Not of httpd: it is what Traefik calls ForwardAuth and
 * nginx auth_request.
 *
 *     AuthForward "http://127.0.0.1:9000/verify" timeout=2
 *     AuthForwardHeaders X-User X-Groups
 */
import {
  CONTENT_LENGTH,
  type CommandContext,
  ConnPool,
  childExit,
  clearConnection,
  DECLINED,
  DONE,
  defineModule,
  EXPECT,
  fixups,
  getModuleConfig,
  type HeaderTable,
  HOST,
  hasNoBody,
  OK,
  type ProcessRec,
  ProxyWorker,
  parseWorkerUrl,
  type RequestRec,
  type Status,
  TRANSFER_ENCODING,
  X_FORWARDED_FOR,
  z,
} from "../../modules/mod.ts";
import { Question, type ServiceAnswer } from "./question.ts";

/** The service of one AuthForward line, and its connections. */
interface Service {
  readonly worker: ProxyWorker;
  /** Path and query of its URL. */
  readonly target: string;
  /** Host and port as in its URL. */
  readonly authority: string;
  readonly limitMs: number;
}

const DEFAULT_LIMIT_S = 5;

const authForward = defineModule({
  name: "mod_auth_forward",
  config: z.object({
    service: z.custom<Service | null>().default(null),
    /** Fields of the answer that the request gets. */
    headers: z.array(z.string()).default([]),
  }),
  needs: ["sockets"],
  commands: ({ iterate, take12 }) => [
    take12(
      "AuthForward",
      "dir",
      setService,
      "the URL of a service that says who may pass, then timeout=SECONDS; or off",
    ),
    iterate("AuthForwardHeaders", "dir", addHeader, "fields of the service's answer that the request gets"),
  ],
  registerHooks({ hook }) {
    // Last of all checks, so that no question is asked for what is refused anyway; first of those that change the request.
    hook(fixups, askService, { rank: "reallyFirst", directivesOf: ["mod_auth_forward"] });
    hook(childExit, closePools);
  },
});
export default authForward;

function setService(cmd: CommandContext, text: string, option?: string): string | undefined {
  if (text.toLowerCase() === "off" && option === undefined) {
    cmd.set("service", null);
    return undefined;
  }
  const url = parseWorkerUrl(text, cmd.resolvePath("."));
  if (typeof url === "string") return `AuthForward ${url}`;
  if (url.scheme !== "http")
    return `AuthForward: ${url.scheme}:// is not supported: give an http:// URL, or unix:PATH|http://`;
  const limit = /^timeout=(\d{1,6})$/i.exec(option ?? `timeout=${DEFAULT_LIMIT_S}`);
  if (limit === null || Number(limit[1]) === 0)
    return `AuthForward: unknown parameter ${option}: timeout=SECONDS is meant`;
  const worker = new ProxyWorker(url);
  worker.initialize();
  const path = url.path.startsWith("/") ? url.path : `/${url.path}`;
  const authority = /^[^:]+:\/\/(?:[^/?#]*@)?([^/?#]*)/.exec(url.name)?.[1] || "localhost";
  const service: Service = { worker, target: path, authority, limitMs: Number(limit[1]) * 1000 };
  cmd.set("service", service);
  ((cmd.server.state[authForward.index] ??= []) as Service[]).push(service);
  return undefined;
}

function addHeader(cmd: CommandContext, name: string): string | undefined {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) return `AuthForwardHeaders: '${name}' is no name of a field`;
  cmd.push("headers", name);
  return undefined;
}

/** fixups */
function askService(r: RequestRec): Status | Promise<Status> {
  const { service, headers } = getModuleConfig(r.perDirConfig, authForward);
  if (service === null) return DECLINED;
  if (r.main !== null) return 403; // an expression asks whether it may be had, and cannot wait for the answer
  // What the service alone may say, nobody else has said.
  for (const name of headers) r.headersIn.unset(name);
  return ask(r, service, headers);
}

async function ask(r: RequestRec, service: Service, headers: readonly string[]): Promise<Status> {
  const { worker } = service;
  const { process: generation, log } = r.server;
  worker.pool ??= new ConnPool(worker, generation.sockets, generation);
  const result = await Question.ask(worker.pool, questionHead(r, service), service.limitMs, (question) => {
    r.out.watcher = question;
  });
  r.out.watcher = null;
  if ("failed" in result) {
    if (!r.conn.aborted) {
      const text = `AuthForward: ${worker.displayName}: ${result.cause}`;
      log.error("auth_forward", "", text, r);
    }
    return result.failed;
  }
  if (result.status < 200 || result.status > 299) return relay(r, result);
  for (const name of headers) for (const value of result.headers.getAll(name)) r.headersIn.add(name, value);
  return OK;
}

/** Fields that belong to the body, which is not sent, or that would make the answer depend on the client's cache. */
const NOT_ASKED = ["If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range"];

/** GET, with the fields of the request, and its first line and its client as X-Forwarded-*. */
function questionHead(r: RequestRec, { target, authority }: Service): string {
  const fields = r.headersIn.clone();
  const host = fields.getId(HOST);
  clearConnection(fields);
  for (const id of [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT]) fields.unsetId(id);
  for (const name of NOT_ASKED) fields.unset(name);
  fields.set("X-Forwarded-Method", r.method);
  fields.set("X-Forwarded-Proto", r.conn.secure ? "https" : "http");
  fields.set("X-Forwarded-Uri", r.unparsedUri);
  if (host === undefined) fields.unset("X-Forwarded-Host");
  else fields.set("X-Forwarded-Host", host);
  if (r.useragentIp !== "") fields.mergeId(X_FORWARDED_FOR, "X-Forwarded-For", r.useragentIp);
  let head = `GET ${target} HTTP/1.1\r\nHost: ${authority}\r\n`;
  for (const [name, value] of fields) head += `${name}: ${value}\r\n`;
  return `${head}Connection: Keep-Alive\r\n\r\n`;
}

/** The service's answer is the client's: a login page, a challenge. */
function relay(r: RequestRec, { status, phrase, headers, body }: ServiceAnswer): Status {
  forThisHop(headers);
  r.status = status;
  r.statusLine = phrase === "" ? null : `${status} ${phrase}`;
  r.headersOut = headers;
  const length = hasNoBody(status) ? 0 : body.length;
  r.out.begin(length);
  if (length > 0) r.out.write(body, 0, length);
  r.out.end();
  return DONE;
}

function forThisHop(headers: HeaderTable): void {
  clearConnection(headers);
  headers.unsetId(TRANSFER_ENCODING);
  headers.unsetId(CONTENT_LENGTH);
}

function closePools(process: ProcessRec): void {
  for (const server of process.servers) {
    for (const { worker } of (server.state[authForward.index] ?? []) as Service[]) worker.pool?.close();
  }
}
