/**
 * What Deno has below node:net: handles as in node. They are nobody's promise, so each name is looked for; where one is missing
 * the sockets of node:net serve.
 */
import process from "node:process";
import type { DenoSocket } from "./deno_socket.ts";

export interface HandleAddress {
  address: string;
  port: number;
}

/** A TCP socket. Calls answer 0 or an error of the system, below 0. */
export interface Handle {
  ours: DenoSocket;
  /** Bytes were read, or an error; `Binding.state` has which. Looked for by `readStart`. */
  onread: (this: Handle) => void;
  useUserBuffer(buffer: Uint8Array): void;
  readStart(): number;
  readStop(): number;
  /** `request.oncomplete(status)` follows if `Binding.state` says so. */
  writeLatin1String(request: object, text: string): number;
  writeBuffer(request: object, bytes: Uint8Array): number;
  /** Sends a FIN behind what is written; `request.oncomplete` follows. */
  shutdown(request: object): number;
  close(done: () => void): void;
  getpeername(into: HandleAddress): number;
  getsockname(into: HandleAddress): number;
  setNoDelay(on: boolean): number;
  setKeepAlive(on: boolean, seconds: number): number;
}

export interface Binding {
  /** Numbers about the last call. */
  readonly state: { readonly [index: number]: number };
  /** Where in `state`. */
  readonly bytesRead: number;
  readonly wasAsync: number;
  /** A handle for what is to be accepted. */
  make(): Handle;
}

const METHODS = [
  ...["useUserBuffer", "readStart", "readStop", "writeLatin1String", "writeBuffer", "shutdown", "close"],
  ...["getpeername", "getsockname", "setNoDelay", "setKeepAlive"],
];

/** null: another runtime, or names have changed. */
export const denoBinding: Binding | null = "Deno" in globalThis ? load() : null;

function load(): Binding | null {
  try {
    const { binding } = process as unknown as { binding(name: string): Record<string, unknown> };
    const stream = binding("stream_wrap");
    const { TCP, constants } = binding("tcp_wrap") as {
      readonly TCP: new (kind: number) => Handle;
      readonly constants: { readonly SOCKET: number };
    };
    const { streamBaseState: state, kReadBytesOrError: bytesRead, kLastWriteWasAsync: wasAsync } = stream;
    const whole = METHODS.every((name) => name in TCP.prototype);
    if (!whole || !ArrayBuffer.isView(state) || typeof bytesRead !== "number" || typeof wasAsync !== "number")
      return null;
    return { state: state as Int32Array, bytesRead, wasAsync, make: () => new TCP(constants.SOCKET) };
  } catch {
    return null;
  }
}
