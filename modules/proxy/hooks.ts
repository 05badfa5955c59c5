/**
 * The hooks that mod_proxy declares, in the order a request meets them.
 * Source: httpd modules/proxy/mod_proxy.h
 */
import { runAll, runFirst } from "../core/hooks.ts";
import type { MappedUrl, RequestRec } from "../core/records.ts";
import type { ProxyAttempt } from "./attempt.ts";
import type { ProxyUrl } from "./url.ts";
import type { ProxyWorker } from "./worker.ts";

/** Whether a ProxyPass rule that matches takes the request: OK or DECLINED if so. Answers at once, no promise. */
export const checkTrans = runFirst<[r: RequestRec, mapped: MappedUrl]>("check_trans");

/** Makes `filename` canonical: "proxy:SCHEME://..." with the path encoded for the backend. Answers OK, DECLINED or a status. */
export const canonHandler = runFirst<[r: RequestRec, url: string]>("canon_handler");

/** Chooses balancer and worker for an attempt and fixes its URL. */
export const preRequest = runFirst<[r: RequestRec, attempt: ProxyAttempt]>("pre_request");

/** Says how to speak TLS to the backend: sets `attempt.tls`. Answers OK, DECLINED (nobody can) or a status. No promise. */
export const sslBindOutgoing = runFirst<[r: RequestRec, url: ProxyUrl, attempt: ProxyAttempt]>("ssl_bind_outgoing");

/** Speaks to the backend: sends the request and passes the response on. */
export const schemeHandler = runFirst<[r: RequestRec, worker: ProxyWorker, url: ProxyUrl, attempt: ProxyAttempt]>(
  "scheme_handler",
  { promiseDecides: true },
);

/** Judges how the last attempt ended. */
export const postRequest = runAll<[r: RequestRec, attempt: ProxyAttempt]>("post_request");
