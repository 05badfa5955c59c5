/**
 * One request to a ws:// backend: place, connection, head, then a tunnel. Nobody reads the backend's answer.
 * Source: httpd modules/proxy/mod_proxy_wstunnel.c proxy_wstunnel_request
 */
import {
  acquireConnection,
  ClientWatch,
  type ConnPool,
  clientAddress,
  DONE,
  defaultPort,
  disableWorker,
  getProxyConfig,
  OK,
  type ProxyAttempt,
  type ProxyUrl,
  type ProxyWorker,
  proxyError,
  type RequestRec,
  requestHead,
  type Status,
  serverTimeoutMs,
  Tunnel,
} from "../../modules/mod.ts";

/** Ends with the tunnel, or with the status of an error page. */
export async function tunnelTo(
  r: RequestRec,
  worker: ProxyWorker,
  url: ProxyUrl,
  attempt: ProxyAttempt,
): Promise<Status> {
  const client = new ClientWatch();
  const pool = await acquireConnection("WSTUNNEL", r, worker, attempt, client);
  if (typeof pool === "number") return pool;
  try {
    return await switchOver(r, worker, url, attempt, pool, client);
  } finally {
    pool.free();
  }
}

async function switchOver(
  r: RequestRec,
  worker: ProxyWorker,
  url: ProxyUrl,
  attempt: ProxyAttempt,
  pool: ConnPool,
  client: ClientWatch,
): Promise<Status> {
  const conf = getProxyConfig(r.perDirConfig);
  const { connectionTimeoutMs, timeoutMs } = worker.params;
  const port = url.port || (url.host === worker.host && worker.port) || (defaultPort(url.scheme) ?? 0);
  const ioLimit = timeoutMs ?? conf.timeoutMs ?? serverTimeoutMs(r);
  const limit = connectionTimeoutMs ?? ioLimit;
  let backend: Awaited<ReturnType<ConnPool["connect"]>>;
  try {
    backend = await pool.connect(url.host, port, limit, attempt.tls, ioLimit);
  } catch {
    if (client.gone) return left(attempt);
    attempt.failure = {
      stage: "resolve",
      source: "backend",
      retry: "never",
      cause: "DNS lookup failure",
      timedOut: false,
    };
    return proxyError(r, 500, `DNS lookup failure for: ${url.host}`);
  }
  if (!("pool" in backend)) {
    if (client.gone) return left(attempt);
    if (backend.inHandshake) {
      const { cause, timedOut } = backend;
      attempt.failure = { stage: "tls", source: "backend", retry: "never", cause, timedOut };
      return proxyError(r, 500, "Error during SSL Handshake with remote server");
    }
    if (!backend.exhausted) disableWorker(worker, wallMs(r), r.conn.process.log, backend.cause);
    r.log.error("proxy_wstunnel", "AH02452", `failed to make connection to backend: ${worker.host}`, {
      client: clientAddress(r.conn),
    });
    const { cause, timedOut } = backend;
    attempt.failure = {
      stage: "connect",
      source: backend.exhausted ? "proxy" : "backend",
      retry: "yes",
      cause,
      timedOut,
    };
    return 503;
  }
  worker.connected();
  if (client.gone) {
    backend.close();
    return left(attempt);
  }
  const head = requestHead(r, conf, url, {
    length: "",
    expect: false,
    keepAlive: false,
    http10: false,
    upgrade: "WebSocket",
  });
  worker.s.transferred += head.length;
  backend.socket.write(head);
  const connection = backend;
  return new Promise((resolve) => {
    // As in httpd no silence is too long here, and the bytes count for nobody.
    new Tunnel(r, connection, null, 0, ({ source, cause }) => {
      if (source !== "both") attempt.failure = { stage: "tunnel", source, retry: "never", cause, timedOut: false };
      // Nobody answered. (httpd sends the page of the error then, without a head; the client has what it can use: the end.)
      if (r.wireOut === 0) r.status = 502;
      connection.close();
      resolve(OK);
    });
  });
}

function left(attempt: ProxyAttempt): Status {
  attempt.failure = { stage: "connect", source: "client", retry: "never", cause: "client left", timedOut: false };
  return DONE;
}

function wallMs(r: RequestRec): number {
  return r.conn.process.clock.wallUs() / 1000;
}
