/**
 * Opens connections by node:net for sockets that take over what is below its stream. A connect of Bun.connect or Deno.connect
 * cannot be given up: who waits for a black hole would hold its descriptor for minutes.
 */
import net from "node:net";

/** Who takes the handle. */
export interface HandleTaker {
  /** `raw._handle` is open and not read yet. Once it is taken `raw` is nobody's, and calls no more. */
  connected(raw: net.Socket): void;
  /** There will be no connection; `connectEnded` follows. */
  connectFailed(error: Error): void;
  /** Failed, or destroyed before it was open. */
  connectEnded(): void;
}

/** @param room whether a descriptor is left */
export function openHandle(options: net.SocketConnectOpts, taker: HandleTaker, room: boolean): net.Socket {
  const raw = new net.Socket({ allowHalfOpen: true });
  raw.on("error", (error) => taker.connectFailed(error));
  raw.on("close", () => taker.connectEnded());
  raw.once("connect", () => taker.connected(raw));
  raw.pause(); // else the stream would begin to read behind 'connect', whatever we say there
  if (!room) {
    raw.destroy(Object.assign(new Error("no descriptor is left"), { code: "EMFILE" }));
    return raw;
  }
  try {
    raw.connect(options);
  } catch (error) {
    raw.destroy(error as Error); // a port or a path that cannot be: an error like any other
  }
  return raw;
}
