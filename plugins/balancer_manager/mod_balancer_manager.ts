/**
 * mod_balancer_manager: the page that shows the balancers of a server and changes them.
 * Source: httpd modules/proxy/mod_proxy_balancer.c balancer_handler
 */
import {
  balancersOfServer,
  checkConfig,
  childExit,
  childInit,
  DECLINED,
  DONE,
  defineModule,
  getModuleConfig,
  getProxyServerState,
  handler,
  INSIDE_FIELDS,
  lookElsewhere,
  mayChangeServer,
  meterWorkers,
  onAction,
  overridesOf,
  type ProcessRec,
  postConfig,
  type RequestRec,
  type ServerRec,
  type Status,
  serverState,
  stateLines,
  usesHandler,
  z,
} from "../../modules/mod.ts";
import { change, select } from "./changes.ts";
import { tellElections } from "./elections.ts";
import { answerEvents } from "./events.ts";
import { liveScript } from "./live.ts";
import { managerPage } from "./page.ts";
import { bodyParams, type Params, queryParams } from "./params.ts";
import { restore, save } from "./persist.ts";
import { STYLE } from "./style.ts";
import { managerXml } from "./xml.ts";

const manager = defineModule({
  name: "mod_balancer_manager",
  config: z.object({
    /** What is changed while the server runs outlives a restart. */
    persist: z.boolean().default(false),
  }),
  commands: ({ flag }) => [
    flag(
      "BalancerPersist",
      "server",
      "persist",
      "on if the balancer should persist changes on reboot/restart made via the Balancer Manager",
    ),
  ],
  registerHooks({ hook }) {
    hook(checkConfig, meter, { after: ["mod_proxy"] });
    hook(childInit, tellElections);
    hook(postConfig, makeNonces);
    // While its members are as operators left them.
    hook(postConfig, (_process, previous) => previous !== null && saveAll(previous), { rank: "reallyFirst" });
    hook(postConfig, takeOver);
    hook(childExit, saveAll);
    hook(handler, manage, { rank: "first" });
  },
});
export default manager;

const SCRIPT = liveScript();

/** The page and the API show the traffic of members. */
function meter(process: ProcessRec): void {
  if (usesHandler(process, "balancer-manager") || usesHandler(process, "sluice-api")) meterWorkers(process);
}

/** The generations whose state is the one to keep. */
const serving = new WeakSet<ProcessRec>();

/** One for each balancer that has none, new at each start: who cannot read the page cannot know it. */
function makeNonces(process: ProcessRec, _previous: ProcessRec | null): void {
  for (const server of process.servers) {
    for (const balancer of balancersOfServer(server)) {
      if (balancer.params.nonce !== undefined || balancer.nonce !== "") continue;
      balancer.nonce = uuid(process, `${getProxyServerState(server)?.place} ${balancer.name}`);
    }
  }
}

/** post_config: what was changed before the restart, or by the generation that still serves. */
function takeOver(process: ProcessRec, _previous: ProcessRec | null): void {
  serving.add(process);
  for (const server of process.servers) {
    if (!getModuleConfig(server.config, manager).persist) continue;
    restore(server);
    tellOverrides(server);
    onAction(server, save);
  }
}

/** What outranks the configuration, so that nobody wonders why a change of the file has no effect. */
function tellOverrides(server: ServerRec): void {
  for (const balancer of balancersOfServer(server)) {
    for (const { member, added, changes } of overridesOf(balancer)) {
      const list = changes.map(({ name, before, after }) => `${name} ${after ?? "none"}, not ${before ?? "none"}`);
      const what = [...(added ? ["added"] : []), ...list].join("; ");
      server.log.notice(
        "proxy_balancer",
        "",
        `BalancerPersist: ${balancer.name}${member === null ? "" : ` ${member}`}: ${what}`,
      );
    }
  }
}

/** child_exit, or another generation takes over: only the one that serves writes. */
function saveAll(process: ProcessRec): void {
  if (!serving.delete(process)) return;
  for (const server of process.servers) if (getModuleConfig(server.config, manager).persist) save(server);
}

/** The same in each child. */
function uuid({ host, siblings }: ProcessRec, balancer: string): string {
  const bytes = host.hmacSha256(String.fromCharCode(...siblings.secret), `nonce ${balancer}`).subarray(0, 16);
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function manage(r: RequestRec): Status | Promise<Status> {
  if (r.handler !== "balancer-manager") return DECLINED;
  if (r.method !== "GET" && r.method !== "HEAD" && r.method !== "POST") return DECLINED;
  if (!mayChangeServer(r)) return 403;
  if (r.method === "POST")
    return bodyParams(r).then((params) => (typeof params === "number" ? params : post(r, params)));
  const looked = lookElsewhere(r.server.process);
  return looked === null ? serve(r) : looked.then(() => serve(r));
}

function serve(r: RequestRec): Status | Promise<Status> {
  const own = ownQuery(r);
  return own ?? show(r, queryParams(r));
}

/** What httpd's manager does not have, under names that it ignores. None of it needs a Referer: it shows, and has no nonce. */
function ownQuery(r: RequestRec): Status | Promise<Status> | null {
  switch (r.args) {
    case "asset=style.css":
      return send(r, "text/css; charset=utf-8", STYLE);
    case "asset=live.js":
      return send(r, "text/javascript; charset=utf-8", SCRIPT);
    case "auto":
      return send(r, "text/plain; charset=ISO-8859-1", `${stateLines(serverState(r.server)).join("\n")}\n`);
    case "events":
      return answerEvents(r);
    default:
      return null;
  }
}

/** Children hear things in order: when they answer, they have made the change, so that the next request finds it made. */
async function post(r: RequestRec, params: Params): Promise<Status> {
  const answer = change(r, params, select(r, params));
  if (typeof answer === "number") return answer;
  await lookElsewhere(r.server.process);
  return show(r, params, answer);
}

function show(r: RequestRec, params: Params, notices: readonly string[] = []): Status {
  if (params.has("xml")) return send(r, "text/xml", managerXml(balancersOfServer(r.server)));
  r.log.debug("proxy_balancer", "AH01204", "genning page");
  const { persist } = getModuleConfig(r.server.config, manager);
  return send(r, "text/html; charset=ISO-8859-1", managerPage(r, select(r, params), persist, notices));
}

function send(r: RequestRec, type: string, text: string): Status {
  for (const [name, value] of INSIDE_FIELDS) r.headersOut.set(name, value);
  r.headersOut.set("Content-Type", type);
  r.out.begin(text.length);
  r.out.writeText(text);
  r.out.end();
  return DONE;
}
