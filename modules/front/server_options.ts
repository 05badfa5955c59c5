/**
 * What the fetch front asks of a runtime's server, whichever it is, and what it can ask of the one that this is.
 */
import type { Listener, TlsLimits } from "../net/socket.ts";
import type { TlsHost } from "../server/listener_tls.ts";
import type { FetchHost } from "./fetch.ts";

/** What is spoken on a listener. */
export interface FrontSpeech {
  /** The first one serves where no name fits; null: plain HTTP. */
  readonly tls: readonly TlsHost[] | null;
  /** Besides HTTP/1.1. Deno.serve has it always. */
  readonly http2: boolean;
  readonly http3: boolean;
  /** LimitWebSocketMessage, of the host that allows most. */
  readonly maxMessage: number;
}

export interface FetchServerOptions {
  /** "": every address. */
  readonly address: string;
  readonly port: number;
  /** Path of a socket, instead of address and port. */
  readonly unix?: string;
  readonly speech: FrontSpeech;
  /** How long a connection may be open without a request; whole seconds where the runtime can tell. */
  readonly idleMs: () => number;
  readonly handle: FetchHandle;
}

/** Answers a request. `ended` is to be called when its response has ended. */
export type FetchHandle = (request: Request, host: FetchHost, ended?: () => void) => Promise<Response>;

/** A listener of the fetch front. */
export interface FetchServer extends Listener {
  /**
   * From here on new connections speak so; those that are open end with the request at hand. Nothing, if they do already.
   * Rejects with an Error with `code` if the address cannot be had anew.
   */
  speak(speech: FrontSpeech): Promise<void>;
}

/** What a runtime's server does with TLS whatever it is told. */
export interface FrontTlsLimits extends TlsLimits {
  /** Several certificates, chosen by SNI and by the type of key. */
  readonly manyCertificates: boolean;
  /** Protocols and suites can be chosen. */
  readonly ranges: boolean;
  /** Clients can be asked for certificates; nobody learns of them. */
  readonly verifiesClients: boolean;
  readonly http3: boolean;
}

const TLS13_SUITES = ["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"];

/** Measured on Bun 1.4.4 and Deno 2.9.5. */
export const frontTlsLimits: FrontTlsLimits =
  "Deno" in globalThis
    ? {
        name: "Deno.serve",
        oldest: "TLSv1.2",
        fixedSuites: TLS13_SUITES,
        serverOrder: false,
        ticketsOff: false,
        manyCertificates: false,
        ranges: false,
        verifiesClients: false,
        http3: false,
      }
    : {
        name: "Bun.serve",
        oldest: "TLSv1.2",
        fixedSuites: TLS13_SUITES,
        serverOrder: true,
        ticketsOff: true,
        manyCertificates: true,
        ranges: true,
        verifiesClients: true,
        http3: true,
      };

/** "127.0.0.1" for "::ffff:127.0.0.1". */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

/** Whether nothing would change. */
export function sameSpeech(a: FrontSpeech, b: FrontSpeech): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
