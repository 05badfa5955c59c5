/**
 * The nickname `json`: one JSON object a line, with what became of a request at the balancer.
 */
import { attemptOf, type ProxyAttempt, type RequestRec } from "../../modules/mod.ts";
import type { LogFormat } from "./format.ts";
import { durationUs } from "./items.ts";

export const jsonFormat: LogFormat = {
  timed: true,
  line: (last, first) => `${JSON.stringify(entryOf(last, first))}\n`,
};

/** Times are milliseconds; what does not apply is left out. */
function entryOf(last: RequestRec, first: RequestRec): object {
  const attempt = attemptOf(last);
  const original = first.status === last.status ? undefined : first.status;
  return {
    time: new Date(first.requestTimeUs / 1000).toISOString(),
    client: last.useragentIp,
    vhost: last.server.hostname,
    method: first.method,
    target: first.unparsedUri,
    protocol: `HTTP/${Math.floor(first.protoNum / 1000)}.${first.protoNum % 1000}`,
    host: first.headersIn.get("Host"),
    user: last.user ?? undefined,
    status: last.status,
    originalStatus: original,
    bytes: last.bytesSent,
    referer: first.headersIn.get("Referer"),
    userAgent: first.headersIn.get("User-Agent"),
    balancer: last.getEnv("BALANCER_NAME"),
    member: last.getEnv("BALANCER_WORKER_NAME") ?? attempt?.worker?.name,
    route: last.getEnv("BALANCER_WORKER_ROUTE") || undefined,
    sticky: stickyOf(last, attempt),
    ...attemptsOf(attempt),
    totalMs: durationUs(first) / 1000,
    ...endOf(last, attempt),
    logId: last.logId || undefined,
  };
}

/** kept: the route of the session served; moved: another did; new: there was no session; undefined: not sticky. */
function stickyOf(r: RequestRec, attempt: ProxyAttempt | undefined): string | undefined {
  if (!attempt?.balancer || attempt.balancer.params.stickySession === "") return undefined;
  if (!r.getEnv("BALANCER_SESSION_ROUTE")) return "new";
  return r.getEnv("BALANCER_ROUTE_CHANGED") === undefined ? "kept" : "moved";
}

function attemptsOf(attempt: ProxyAttempt | undefined): object {
  const times = attempt?.times;
  const final = times?.at(-1);
  if (!times || final === undefined) return {};
  const since = (us: number) => (us === 0 ? undefined : (us - final.startUs) / 1000);
  return {
    attempts: times.length,
    failed:
      times.length === 1 ? undefined : times.slice(0, -1).map(({ worker, failure }) => `${worker}: ${failure?.cause}`),
    connectMs: since(final.connectedUs),
    firstByteMs: since(final.firstByteUs),
    backendMs: since(final.endUs),
  };
}

/** How it ended: complete, or who broke off (client, backend, proxy), where, and why. */
function endOf(r: RequestRec, attempt: ProxyAttempt | undefined): object {
  const failure = attempt?.failure;
  if (failure) return { end: failure.source, stage: failure.stage, cause: failure.cause };
  return r.conn.aborted ? { end: "client", cause: "client left" } : { end: "complete" };
}
