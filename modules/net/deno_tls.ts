/**
 * TLS to clients on Deno below node:tls: the handle of node's name, which lies on that of TCP (deno_binding.ts). What is read
 * below is given to it by us, what it writes it gives to TCP by itself.
 *
 * Measured (Deno 2.9.5), CPU time in nginx's: a bare server in TLS 0.95 so, 1.49 on node:tls, 0.79 on Deno.listenTls, which has
 * one certificate for all names; sluice in TLS 2.17 so, 2.43 on node:tls; with a handshake for each request 1.74 so, 2.35 on
 * node:tls. Of a handshake `initServerTls` takes 29 µs with a key on P-256, 150 with RSA of 2048 bits: it reads the key each time.
 * - A handle has one write on its way at a time: `oncomplete` of another would never be called.
 * - What one record brings may be more than one read, also behind `readStop`.
 */
import tls from "node:tls";
import type { Binding, Handle } from "./deno_binding.ts";
import type { DenoSocket } from "./deno_socket.ts";
import type { NodeTlsServer } from "./node_tls.ts";
import type { TlsInfo } from "./socket.ts";

/** Calls answer 0 or an error, below 0; `get...` fill the object that they are given. */
export interface TlsHandle {
  ours: DenoSocket;
  onread: (this: TlsHandle) => void;
  onhandshakestart: () => void;
  onhandshakedone: (this: TlsHandle) => void;
  onerror: (this: TlsHandle, error: unknown) => void;
  initServerTls(context: object): number;
  /** Lies on that handle from now on. */
  attach(handle: Handle): number;
  setHandle(self: TlsHandle): void;
  setVerifyMode(request: boolean, reject: boolean): void;
  setAlpnProtocols(names: readonly string[]): void;
  start(): void;
  /** What came from the network. */
  receive(bytes: Uint8Array): void;
  useUserBuffer(buffer: Uint8Array): void;
  readStart(): number;
  writeLatin1String(request: object, text: string): number;
  writeBuffer(request: object, bytes: Uint8Array): number;
  shutdown(request: object): number;
  close(done: () => void): void;
  getProtocol(into: { protocol?: string }): number;
  getCipher(into: { name?: string }): number;
  getAlpnNegotiatedProtocol(into: { alpnProtocol?: string | false }): number;
  isSessionReused(): boolean;
  getPeerCertificateChain(): { readonly certificates?: readonly Uint8Array[] } | null | undefined;
}

type TlsHandleClass = new (kind: typeof SERVER, flags: 0) => TlsHandle;

const SERVER = 1;

const METHODS = [
  ...["initServerTls", "attach", "setHandle", "setVerifyMode", "setAlpnProtocols", "start", "receive", "useUserBuffer"],
  ...["readStart", "writeLatin1String", "writeBuffer", "shutdown", "close", "getProtocol", "getCipher"],
  ...["getAlpnNegotiatedProtocol", "isSessionReused", "getPeerCertificateChain"],
];

/** undefined: not looked for yet; null: not to be had, or names have changed. */
let handleClass: TlsHandleClass | null | undefined;

/** TLS can begin on sockets of this kind. */
export function canSecure(binding: Binding): boolean {
  if (handleClass === undefined) handleClass = load(binding);
  return handleClass !== null;
}

/** No binding has the class; node:tls makes one for whatever it is given. */
function load(binding: Binding): TlsHandleClass | null {
  try {
    const { prototype } = tls.TLSSocket as unknown as {
      readonly prototype: { _wrapHandle(this: object, stream: null, handle: Handle): TlsHandle };
    };
    const handle = binding.make();
    const options = { isServer: true, secureContext: { context: {} } };
    const upper = prototype._wrapHandle.call({ _tlsOptions: options }, null, handle);
    const whole = METHODS.every((name) => name in upper);
    upper.close(ignore);
    handle.close(ignore);
    return whole ? (upper.constructor as TlsHandleClass) : null;
  } catch {
    return null;
  }
}

const contexts = new WeakMap<NodeTlsServer, object>();

function contextOf(server: NodeTlsServer): object {
  let context = contexts.get(server);
  if (context !== undefined) return context;
  const { requestCert } = server.options;
  context = { ...(server.context.context as object), requestCert, rejectUnauthorized: false };
  contexts.set(server, context);
  return context;
}

/** A handle on which nothing is read yet. @throws Error if certificate, key or protocols cannot be used */
export function beginTls(handle: Handle, server: NodeTlsServer): TlsHandle {
  const upper = new handleClass!(SERVER, 0);
  if (upper.initServerTls(contextOf(server)) !== 0) throw new Error("unsupported protocol");
  if (upper.attach(handle) !== 0) throw new Error("the socket is closed");
  upper.setHandle(upper);
  const { alpn, requestCert } = server.options;
  if (requestCert) upper.setVerifyMode(true, false);
  if (alpn !== "") upper.setAlpnProtocols([alpn]);
  upper.onhandshakestart = ignore;
  return upper;
}

export function denoTlsInfo(upper: TlsHandle, serverName: string): TlsInfo {
  const found: { protocol?: string; name?: string; alpnProtocol?: string | false } = {};
  upper.getProtocol(found);
  upper.getCipher(found);
  upper.getAlpnNegotiatedProtocol(found);
  return {
    protocol: found.protocol ?? "",
    cipher: found.name ?? "",
    resumed: upper.isSessionReused(),
    serverName,
    alpn: found.alpnProtocol || "",
    peerChain: upper.getPeerCertificateChain()?.certificates ?? [],
  };
}

function ignore(): void {}
