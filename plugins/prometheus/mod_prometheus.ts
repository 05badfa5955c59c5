/**
 * mod_prometheus: `SetHandler prometheus`, the figures of balancers and members for Prometheus and its like.
 */
import {
  balancersOfServer,
  DECLINED,
  DONE,
  defineModule,
  getProxyServerState,
  handler,
  OK,
  onAction,
  type ProcessRec,
  type ProxyAttempt,
  type ProxyBalancer,
  postConfig,
  postRequest,
  type RequestRec,
  type ServerRec,
  type Status,
  usesHandler,
  WorkerMeter,
} from "../../modules/mod.ts";
import { exposition } from "./exposition.ts";
import { families } from "./families.ts";

const HANDLER = "prometheus";

export default defineModule({
  name: "mod_prometheus",
  registerHooks({ hook }) {
    hook(postConfig, begin);
    hook(handler, show);
  },
});

interface Begun {
  readonly startedUs: number;
  /** Requests for which no member could be elected. */
  readonly unserved: Map<ProxyBalancer, number>;
}
const begun = new WeakMap<ProcessRec, Begun>();

/** post_config: where no location shows metrics nothing is counted. */
function begin(process: ProcessRec, _previous: ProcessRec | null): void {
  if (!usesHandler(process, HANDLER)) return;
  const unserved = new Map<ProxyBalancer, number>();
  begun.set(process, { startedUs: process.clock.wallUs(), unserved });
  for (const server of process.servers) {
    addMeters(server);
    onAction(server, addMeters); // a member may have been added
  }
  process.hooks.registering("mod_prometheus");
  process.hooks.hook(postRequest, (r, attempt) => count(r, attempt, unserved));
}

function addMeters(server: ServerRec): void {
  const state = getProxyServerState(server);
  for (const worker of state?.workers ?? []) worker.meter ??= new WorkerMeter();
  for (const { members } of balancersOfServer(server)) {
    for (const member of members) member.meter ??= new WorkerMeter();
  }
}

/** post_request. */
function count(r: RequestRec, { worker, balancer }: ProxyAttempt, unserved: Map<ProxyBalancer, number>): Status {
  const { meter = null } = worker ?? {};
  if (meter !== null) meter.ended(r.status, (r.conn.process.clock.wallUs() - r.requestTimeUs) / 1000);
  else if (worker === null && balancer !== null) unserved.set(balancer, (unserved.get(balancer) ?? 0) + 1);
  return OK;
}

function show(r: RequestRec): Status {
  if (r.handler !== HANDLER || (r.method !== "GET" && r.method !== "HEAD")) return DECLINED;
  const { startedUs, unserved } = begun.get(r.server.process)!;
  const openMetrics = /application\/openmetrics-text/i.test(r.headersIn.get("Accept") ?? "");
  const text = exposition(families(r.server.process, startedUs, unserved), openMetrics);
  const type = openMetrics ? "application/openmetrics-text; version=1.0.0" : "text/plain; version=0.0.4";
  r.headersOut.set("Content-Type", `${type}; charset=utf-8`);
  r.headersOut.set("Cache-Control", "no-store");
  r.out.begin(text.length);
  r.out.writeText(text);
  r.out.end();
  return DONE;
}
