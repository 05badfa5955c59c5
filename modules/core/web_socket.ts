/**
 * WebSockets of clients on a front that shows messages instead of bytes.
 * Source: RFC 6455
 */
import type { HeaderTable } from "./table.ts";

/** A close without a code (RFC 6455, section 7.4.1): never sent. */
export const NO_STATUS = 1005;
/** A connection that was cut off: never sent. */
export const ABNORMAL = 1006;

/** A close for the sake of a message (RFC 6455, section 7.4.1). */
export const MESSAGE_TOO_BIG = 1009;

/** Gets the events of a WebSocket. `onClose` is the last one. */
export interface WebSocketOwner {
  onMessage(data: string | Uint8Array): void;
  /** Where the host shows pings; it answers them itself. */
  onPing(data: Uint8Array): void;
  onClose(code: number, reason: string): void;
}

/** The client's side of an open WebSocket. */
export interface WebSocketPeer {
  /** Bytes that the system has not taken yet. */
  readonly queuedBytes: number;
  send(data: string | Uint8Array): void;
  /** Reads nothing more of the client before `resume`; absent where the host cannot. */
  pause?(): void;
  resume?(): void;
  /** Nothing, where the host sends no pings. */
  ping(data: Uint8Array): void;
  /** @param code NO_STATUS sends none; ABNORMAL cuts the connection off, or comes as near to it as the host can */
  close(code: number, reason: string): void;
}

/** A request's wish to become a WebSocket. */
export interface WebSocketOffer {
  /** The subprotocols that the client offers, in its order. */
  readonly protocols: readonly string[];
  /** Bytes of a message in either direction; who gets a larger one closes with MESSAGE_TOO_BIG. */
  readonly maxMessage: number;
  /**
   * Switches; there is no HTTP on the connection any more.
   * @param protocol one of `protocols`, or "" for none
   * @param fields more fields of the 101
   * @throws Error if the host refuses
   */
  accept(protocol: string, fields: HeaderTable, owner: WebSocketOwner): WebSocketPeer;
}
