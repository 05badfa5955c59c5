/**
 * A place in a worker's pool, for scheme handlers that wait with promises.
 * Source: httpd modules/proxy/proxy_util.c ap_proxy_acquire_connection
 */
import type { RequestRec, ResponseWatcher } from "../core/records.ts";
import { DONE, type Status } from "../core/status.ts";
import type { ProxyAttempt } from "./attempt.ts";
import { ConnPool } from "./conn_pool.ts";
import { type ProxyWorker, retryWorker } from "./worker.ts";

/** The client of a request that waits for its backend. */
export class ClientWatch implements ResponseWatcher {
  gone = false;
  onLeave: (() => void) | null = null;
  /** There is room again after `write` answered false. */
  onRoom: (() => void) | null = null;

  onClientGone(): void {
    this.gone = true;
    this.onLeave?.();
  }

  onClientDrain(): void {
    this.onRoom?.();
  }
}

/**
 * Takes a place in the pool of the worker, waiting for one if need be; the caller frees it. A status: there is none, 503, or the
 * client left, DONE.
 * @param scheme names the handler in the log: "FTP"
 */
export async function acquireConnection(
  scheme: string,
  r: RequestRec,
  worker: ProxyWorker,
  attempt: ProxyAttempt,
  client: ClientWatch,
): Promise<ConnPool | Status> {
  const generation = r.conn.process;
  const { log } = r;
  attempt.failure = null;
  if (!worker.isUsable && !(retryWorker(worker, generation.clock.wallUs() / 1000, log, scheme) && worker.isUsable)) {
    log.error("proxy", "AH00940", `${scheme}: disabled connection for (${worker.hostPort})`);
    return refused(attempt, "worker is not usable");
  }
  r.out.watcher = client;
  const pool = (worker.pool ??= new ConnPool(worker, generation.sockets, generation));
  if (await place(pool, client)) return pool;
  if (client.gone) {
    attempt.failure = { stage: "acquire", source: "client", retry: "never", cause: "client left", timedOut: false };
    return DONE;
  }
  log.error("proxy", "AH00941", `${scheme}: failed to acquire connection for (${worker.hostPort})`);
  return refused(attempt, "no free connection");
}

function refused(attempt: ProxyAttempt, cause: string): Status {
  attempt.failure = { stage: "acquire", source: "proxy", retry: "yes", cause, timedOut: false };
  return 503;
}

/** Waits for a place in the pool, unless the client leaves first. */
function place(pool: ConnPool, client: ClientWatch): boolean | Promise<boolean> {
  if (pool.reserve()) return true;
  return new Promise((resolve) => {
    const waiter = pool.wait((granted) => {
      client.onLeave = null;
      resolve(granted);
    });
    client.onLeave = () => {
      if (pool.leaveQueue(waiter)) resolve(false);
    };
  });
}
