/**
 * mod_prometheus: `SetHandler prometheus`, the figures of balancers and members for Prometheus and its like.
 */
import {
  checkConfig,
  childInit,
  connectionCount,
  DECLINED,
  DONE,
  defineModule,
  handler,
  lookElsewhere,
  meterWorkers,
  type ProcessRec,
  postConfig,
  type RequestRec,
  type Status,
  usesHandler,
} from "../../modules/mod.ts";
import { exposition } from "./exposition.ts";
import { families } from "./families.ts";

const HANDLER = "prometheus";
/** The other children are asked for the number of their connections. */
const CONNECTIONS = "prometheus connections";

export default defineModule({
  name: "mod_prometheus",
  registerHooks({ hook }) {
    hook(checkConfig, meter, { after: ["mod_proxy"] });
    hook(postConfig, begin);
    hook(childInit, ({ siblings }, _main) => siblings.answer(CONNECTIONS, connectionCount));
    hook(handler, show);
  },
});

const begun = new WeakMap<ProcessRec, number>();

/** Where no location shows metrics nothing is counted. */
function meter(process: ProcessRec): void {
  if (usesHandler(process, HANDLER)) meterWorkers(process);
}

/** post_config. */
function begin(process: ProcessRec, _previous: ProcessRec | null): void {
  begun.set(process, process.clock.wallUs());
}

function show(r: RequestRec): Status | Promise<Status> {
  if (r.handler !== HANDLER || (r.method !== "GET" && r.method !== "HEAD")) return DECLINED;
  const { process } = r.server;
  const looked = lookElsewhere(process);
  if (looked === null) return send(r, []);
  return Promise.all([process.siblings.ask(CONNECTIONS, null), looked]).then(([counts]) => send(r, counts as number[]));
}

/** @param others connections of each other child */
function send(r: RequestRec, others: readonly number[]): Status {
  const { process } = r.server;
  const openMetrics = /application\/openmetrics-text/i.test(r.headersIn.get("Accept") ?? "");
  const connections = others.reduce((sum, count) => sum + count, connectionCount());
  const all = families(process, begun.get(process)!, { children: others.length + 1, connections });
  const text = exposition(all, openMetrics);
  const type = openMetrics ? "application/openmetrics-text; version=1.0.0" : "text/plain; version=0.0.4";
  r.headersOut.set("Content-Type", `${type}; charset=utf-8`);
  r.headersOut.set("Cache-Control", "no-store");
  r.out.begin(text.length);
  r.out.writeText(text);
  r.out.end();
  return DONE;
}
