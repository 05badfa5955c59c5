/**
 * What stands before the protocol of a connection, on sockets that deliver to their owner whatever comes.
 */
import { latin1Bytes } from "../core/bytes.ts";
import type { FirstReader, Socket } from "./socket.ts";

/** `SocketHost.readFirst`. The socket's owner is told of its end. */
export function readFirstBytes(socket: Socket, reader: FirstReader): void {
  const { owner } = socket;
  let text = "";
  socket.owner = {
    onData(bytes, start, end) {
      text += bytes.latin1Slice(start, end);
      const own = reader.onFirst(latin1Bytes(text));
      if (own < 0) return;
      reader.onRest();
      const rest = latin1Bytes(text.slice(own));
      if (rest.length > 0) socket.owner.onData(rest, 0, rest.length);
    },
    onDrain() {},
    onEnd: () => socket.destroy(),
    onClose: (error) => owner.onClose(error),
  };
}
