/**
 * TLS to clients on Bun's own sockets: what `upgradeTLS` takes and its handle tells, in Bun's names. They are those that its
 * node:tls is made of; its documentation has none of a server's.
 *
 * Measured (Bun 1.4.4), CPU time in nginx's: a bare server in TLS 0.62 so, 0.93 on node:tls; sluice in TLS 1.28 so, 1.65 on
 * node:tls; sluice with a handshake for each request 1.76 so, 2.39 on node:tls.
 */
import { Buffer } from "node:buffer";
import type { Bytes } from "../core/bytes.ts";
import type { NodeTlsServer } from "./node_tls.ts";
import { chainOf } from "./server_handshake.ts";
import type { TlsInfo } from "./socket.ts";

export interface BunUpgrade<Data> {
  readonly isServer: true;
  readonly tls: {
    /** As in a node:tls SecureContext. */
    readonly secureContext: unknown;
    /** Names with a byte of length before each. */
    readonly ALPNProtocols: Uint8Array | undefined;
    readonly requestCert: boolean;
    readonly rejectUnauthorized: false;
  };
  readonly initialData: Uint8Array;
  readonly data: Data;
  readonly socket: object;
}

/** What a socket knows of its handshake. */
export interface BunSecureHandle {
  readonly alpnProtocol: string | false | null;
  getTLSVersion(): string | null;
  getCipher(): { readonly name: string } | undefined;
  isSessionReused(): boolean;
  /** With its issuers. */
  getPeerCertificate(withoutIssuers: boolean): Parameters<typeof chainOf>[0];
}

const prepared = new WeakMap<NodeTlsServer, BunUpgrade<unknown>["tls"]>();

function tlsOf(server: NodeTlsServer): BunUpgrade<unknown>["tls"] {
  let tls = prepared.get(server);
  if (tls !== undefined) return tls;
  const { alpn, requestCert } = server.options;
  tls = {
    secureContext: server.context.context,
    ALPNProtocols: alpn === "" ? undefined : Buffer.from(`${String.fromCharCode(alpn.length)}${alpn}`, "latin1"),
    requestCert,
    rejectUnauthorized: false,
  };
  prepared.set(server, tls);
  return tls;
}

export function upgradeOptions<Data>(
  server: NodeTlsServer,
  bytes: Bytes,
  data: Data,
  socket: object,
): BunUpgrade<Data> {
  return { isServer: true, tls: tlsOf(server), initialData: bytes, data, socket };
}

export function bunTlsInfo(handle: BunSecureHandle, serverName: string): TlsInfo {
  return {
    protocol: handle.getTLSVersion() ?? "",
    cipher: handle.getCipher()?.name ?? "",
    resumed: handle.isSessionReused(),
    serverName,
    alpn: handle.alpnProtocol || "",
    peerChain: chainOf(handle.getPeerCertificate(false)),
  };
}
