/**
 * mod_status: the page of figures on the server, and the same as text for programs; `sluice-health` for those who only ask
 * whether it serves.
 * Source: httpd modules/generators/mod_status.c
 */
import {
  type CommandContext,
  checkConfig,
  childInit,
  DECLINED,
  DONE,
  defineModule,
  getModuleConfig,
  handler,
  logTransaction,
  OK,
  type ProcessRec,
  postConfig,
  type RequestRec,
  type ServerRec,
  type Status,
  serverNameForUrl,
  serverState,
  usesHandler,
  z,
} from "../../modules/mod.ts";
import { autoText } from "./auto.ts";
import { attachTally, type ChildFigures, childFigures, figures, type Tally } from "./figures.ts";
import { statusPage } from "./page.ts";

const DEFAULT_REFRESH = "10";

const status = defineModule({
  name: "mod_status",
  config: z.object({
    /** Counts requests, and shows those at hand. */
    extended: z.boolean().default(true),
    /** Shows the balancers. */
    proxyStatus: z.boolean().default(false),
    /** Shows the end of a long request line, not its begin. */
    requestTail: z.boolean().default(false),
  }),
  commands: ({ flag, take1 }) => [
    flag("ExtendedStatus", "global", "extended", '"On" to track extended status information, "Off" to disable'),
    take1("ProxyStatus", "server", setProxyStatus, "Configure Status: proxy status to one of: on | off | full"),
    flag("SeeRequestTail", "global", "requestTail", "On: the last 63 characters of a request are shown, not the first"),
  ],
  registerHooks({ hook }) {
    hook(checkConfig, prepare);
    hook(postConfig, begin);
    hook(childInit, answerOthers);
    hook(handler, showStatus);
    hook(handler, showHealth);
  },
});
export default status;

function setProxyStatus(cmd: CommandContext, arg: string): string | undefined {
  const value = arg.toLowerCase();
  if (value !== "on" && value !== "off" && value !== "full") return "ProxyStatus must be one of: off | on | full";
  cmd.set("proxyStatus", value !== "off");
  return undefined;
}

interface Begun {
  readonly extended: boolean;
  readonly tally: Tally;
}
const begun = new WeakMap<ProcessRec, Begun>();
/** They end, and the server goes on. */
const superseded = new WeakSet<ProcessRec>();
/** The other children are asked for their figures. */
const TOPIC = "status figures";

/** check_config: requests are counted only where some location shows them. */
function prepare(process: ProcessRec): void {
  const { extended } = getModuleConfig(process.servers[0]!.config, status);
  const tally = attachTally(process);
  begun.set(process, { extended, tally });
  if (!extended || !usesHandler(process, "server-status")) return;
  process.keepsRequests = true;
  process.hooks.registering("mod_status");
  process.hooks.hook(logTransaction, (r) => {
    tally.count(r);
    return OK;
  });
}

/** post_config. */
function begin(_process: ProcessRec, previous: ProcessRec | null): void {
  if (previous !== null) superseded.add(previous);
}

/** child_init. */
function answerOthers(process: ProcessRec, _main: ServerRec): void {
  const { tally, extended } = begun.get(process)!;
  process.siblings.answer(TOPIC, () => childFigures(process, tally, extended));
}

function showStatus(r: RequestRec): Status | Promise<Status> {
  if (r.handler !== "server-status" || (r.method !== "GET" && r.method !== "HEAD")) return DECLINED;
  const { siblings } = r.server.process;
  if (siblings.count === 1) return showFigures(r, []);
  return siblings.ask(TOPIC, null).then((others) => showFigures(r, others as ChildFigures[]));
}

function showFigures(r: RequestRec, others: readonly ChildFigures[]): Status {
  const { tally, extended } = begun.get(r.server.process)!;
  const { requestTail } = getModuleConfig(r.server.process.servers[0]!.config, status);
  const { proxyStatus } = getModuleConfig(r.server.config, status);
  const shown = proxyStatus ? serverState(r.server) : [];
  const balancers = shown.length > 0 ? shown : null;
  const name = serverNameForUrl(r);
  const query = r.args ?? "";
  const refresh = /refresh(?:=\s*(-?\d+))?/.exec(query);
  if (refresh !== null) r.headersOut.set("Refresh", Number(refresh[1]) >= 1 ? refresh[1]! : DEFAULT_REFRESH);
  const found = figures(r, tally, extended, others);
  if (query.includes("auto"))
    return send(r, "text/plain; charset=ISO-8859-1", autoText(name, found, extended, balancers));
  const table = !query.includes("notable");
  const page = statusPage(r, found, { name, extended, table, tail: requestTail, balancers });
  return send(r, "text/html; charset=ISO-8859-1", page);
}

/**
 * For who decides whether requests come here: 503 as soon as this server takes no new ones. Why a configuration is broken stays in
 * the log: anybody may ask here.
 */
function showHealth(r: RequestRec): Status {
  if (r.handler !== "sluice-health" || (r.method !== "GET" && r.method !== "HEAD")) return DECLINED;
  r.headersOut.set("Cache-Control", "no-store");
  const { process } = r.conn;
  const draining = process.stopping && !superseded.has(process);
  if (draining) r.status = 503;
  const lines = [draining ? "draining" : "serving", `generation: ${process.generation}`];
  if (process.failedReloads.reason !== null) lines.push("stale: the configuration that was read last is broken");
  return send(r, "text/plain", `${lines.join("\n")}\n`);
}

function send(r: RequestRec, type: string, text: string): Status {
  r.headersOut.set("Content-Type", type);
  r.out.begin(text.length);
  r.out.writeText(text);
  r.out.end();
  return DONE;
}
