/**
 * The proxy's handler: attempts, one after the other, until one served or none may follow.
 * Source: httpd modules/proxy/mod_proxy.c proxy_handler
 */
import { PendingStatus, type StatusWaiter } from "../core/pending.ts";
import type { RequestRec } from "../core/records.ts";
import { DECLINED, OK, type Status } from "../core/status.ts";
import { beginAttempt, endAttempt, ProxyAttempt, takeTimes } from "./attempt.ts";
import { getProxyConfig } from "./config.ts";
import { ConnPool } from "./conn_pool.ts";
import { checkForwards } from "./headers.ts";
import { canonHandler, postRequest, preRequest, schemeHandler } from "./hooks.ts";
import { electWorker } from "./server_state.ts";
import { canonicalize } from "./translate.ts";
import { ProxyUrl, splitProxyUrl } from "./url.ts";

/** Schemes whose URLs are canonical in the way of HTTP. */
const OURS = /^(https?|wss?|balancer):/i;

/** fixups: the URL in the form in which it is asked for. */
export function proxyFixups(r: RequestRec): Status | Promise<Status> {
  if (r.proxyreq === "none") return DECLINED;
  const { mapped } = r;
  if (OURS.test(mapped === null ? r.filename.slice(6) : mapped.origin)) return canonicalize(r);
  return canonHandler.run(r.server.process.hooks, r, r.filename.slice(6));
}

export function proxyHandler(r: RequestRec): Status | Promise<Status> {
  if (r.proxyreq === "none") return DECLINED;
  const checked = checkForwards(r, getProxyConfig(r.perDirConfig));
  if (checked !== OK) return checked;
  const source = r.filenameSource;
  const url = source instanceof ProxyUrl ? source : splitProxyUrl(r.filename.slice(6));
  const attempt = new ProxyAttempt(url);
  if (r.server.process.takesTimes) takeTimes(r, attempt);
  return tryOnce(r, attempt, url);
}

function tryOnce(r: RequestRec, attempt: ProxyAttempt, url: ProxyUrl): Status | Promise<Status> {
  attempt.origin = url.origin;
  attempt.target = url.target;
  attempt.worker = null;
  attempt.tls = null;
  attempt.failure = null;
  if (attempt.times !== null) beginAttempt(r, attempt);
  const elected = preRequest.run(r.server.process.hooks, r, attempt);
  const answer = typeof elected === "number" ? ask(r, attempt, elected) : askLater(r, attempt, elected);
  return typeof answer === "number" ? judge(r, attempt, url, answer) : judgeLater(r, attempt, url, answer);
}

// Not written where they are used: a closure in a function costs every call an object for the variables it holds.
function askLater(r: RequestRec, attempt: ProxyAttempt, elected: Promise<Status>): Promise<Status> {
  return elected.then((status) => ask(r, attempt, status));
}

function judgeLater(r: RequestRec, attempt: ProxyAttempt, url: ProxyUrl, answer: Promise<Status>): Promise<Status> {
  if (!(answer instanceof PendingStatus)) return judgeAfter(r, attempt, url, answer);
  const judged = new Judged(r, attempt, url);
  answer.tell(judged);
  return judged;
}

function judgeAfter(r: RequestRec, attempt: ProxyAttempt, url: ProxyUrl, answer: Promise<Status>): Promise<Status> {
  return answer.then(
    (status) => judge(r, attempt, url, status),
    (error: unknown) => judgeFailed(r, attempt, url, error),
  );
}

function judgeFailed(r: RequestRec, attempt: ProxyAttempt, url: ProxyUrl, error: unknown): Status | Promise<Status> {
  const { hooks } = r.server.process;
  hooks.report(attempt.worker?.scheme ?? "proxy", schemeHandler.name, error, r);
  return judge(r, attempt, url, 500);
}

/** Waits for the end of an attempt, and is itself the end of the request. */
class Judged extends PendingStatus implements StatusWaiter {
  private readonly r: RequestRec;
  private readonly attempt: ProxyAttempt;
  private readonly url: ProxyUrl;

  constructor(r: RequestRec, attempt: ProxyAttempt, url: ProxyUrl) {
    super();
    this.r = r;
    this.attempt = attempt;
    this.url = url;
  }

  settled(status: Status): void {
    let answer: Status | Promise<Status>;
    try {
      answer = judge(this.r, this.attempt, this.url, status);
    } catch (error) {
      this.fail(error);
      return;
    }
    if (typeof answer === "number") this.settle(answer);
    else this.follow(answer);
  }

  failed(error: unknown): void {
    this.follow(Promise.resolve(judgeFailed(this.r, this.attempt, this.url, error)));
  }

  private follow(answer: Promise<Status>): void {
    answer.then(
      (status) => this.settle(status),
      (error: unknown) => this.fail(error),
    );
  }
}

function ask(r: RequestRec, attempt: ProxyAttempt, elected: Status): Status | Promise<Status> {
  let status = elected;
  if (status === DECLINED) status = electWorker(r, attempt);
  if (status !== OK) return status;
  const worker = attempt.worker!;
  if (attempt.balancer !== null) r.filenameSource = attempt;
  const generation = r.server.process;
  worker.pool ??= new ConnPool(worker, generation.sockets, worker.home ?? generation);
  const url = new ProxyUrl(attempt.origin, attempt.target || "/");
  const log = r.log;
  if (log.enabled("proxy", 7)) {
    const scheme = attempt.balancer !== null ? "balancer" : r.filename.slice(6, r.filename.indexOf(":", 6));
    log.debug("proxy", "AH01143", `Running scheme ${scheme} handler (attempt ${attempt.number})`, r);
  }
  const answer = schemeHandler.run(generation.hooks, r, worker, url, attempt);
  if (answer !== DECLINED) return answer;
  log.warn(
    "proxy",
    "AH01144",
    `No protocol handler was valid for the URL ${r.uri} (scheme '${url.scheme}'). If you are using a DSO version of ` +
      "mod_proxy, make sure the proxy submodules are included in the configuration using LoadModule.",
    r,
  );
  return 500;
}

/** What the end of an attempt means for the member, and whether another one is tried. */
function judge(r: RequestRec, attempt: ProxyAttempt, url: ProxyUrl, status: Status): Status | Promise<Status> {
  const { balancer, worker } = attempt;
  if (attempt.times !== null) endAttempt(r, attempt);
  if (attempt.failure?.timedOut) attempt.answered(r.conn.process.clock.now());
  attempt.electedAtMs = -1;
  if (attempt.failure !== null) worker?.meter?.failed(attempt.failure);
  if (balancer === null || worker === null || r.out.started) return conclude(r, attempt, status);
  if (attempt.overridden || (status !== 503 && status !== 500)) return conclude(r, attempt, status);
  // Out of descriptors: no member is to blame, and none could be reached.
  if (attempt.failure?.stage === "connect" && attempt.failure.source === "proxy") return conclude(r, attempt, status);
  worker.setError(r.conn.process.clock.wallUs() / 1000, attempt.failure?.cause ?? `status ${status} of the proxy`);
  if (status === 500 || worker.isUsable || attempt.number >= balancer.maxAttempts) return conclude(r, attempt, status);
  attempt.number++;
  worker.meter?.retried();
  const { filename } = r;
  r.filename = filename; // as the last attempt asked for it, until the next one asks
  return tryOnce(r, attempt, url);
}

/** For the verdict `r.status` is what the client gets; whoever sends an error page sees it as it was. */
function conclude(r: RequestRec, attempt: ProxyAttempt, status: Status): Status | Promise<Status> {
  const before = r.status;
  if (status >= 400) r.status = status;
  const { hooks } = r.server.process;
  const judged = postRequest.run(hooks, r, attempt);
  attempt.release();
  if (typeof judged !== "number") return concludeLater(r, judged, before, status);
  r.status = before;
  return status;
}

function concludeLater(r: RequestRec, judged: Promise<Status>, before: Status, status: Status): Promise<Status> {
  return judged.then(() => {
    r.status = before;
    return status;
  });
}
