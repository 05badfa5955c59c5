/**
 * A client that speaks HTTP/2 frame by frame, well or badly, to a server of test/support/server.ts.
 *
 *     const peer = openHttp2(makeServer("Protocols h2c http/1.1"));
 *     peer.ask(1, "/x");
 *     await settle();
 *     peer.read(); // ["HEADERS 1 404", "DATA 1 ... END_STREAM"]
 */
import { Buffer } from "node:buffer";
import type { Bytes } from "../../modules/core/bytes.ts";
import * as f from "../../plugins/http2/frame.ts";
import { HpackDecoder } from "../../plugins/http2/hpack_decoder.ts";
import type { TestServer, TestSocket } from "./server.ts";

const TYPES = "DATA HEADERS PRIORITY RST_STREAM SETTINGS PUSH_PROMISE PING GOAWAY WINDOW_UPDATE CONTINUATION".split(
  " ",
);
const CODES = (
  "NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED FRAME_SIZE_ERROR " +
  "REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM INADEQUATE_SECURITY"
).split(" ");

/** name, value, name, value... */
export type Fields = readonly string[];

export function frame(type: number, flags: number, stream: number, payload: string | readonly number[] = ""): string {
  const text = typeof payload === "string" ? payload : String.fromCharCode(...payload);
  const head = f.frameHead(text.length, type, flags, stream);
  return String.fromCharCode(...head) + text;
}

export function u32(value: number): string {
  return String.fromCharCode((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

export function setting(id: number, value: number): string {
  return String.fromCharCode(0, id) + u32(value);
}

/** Each field as it is, in no table. */
export function block(fields: Fields): string {
  let text = "";
  for (let i = 0; i < fields.length; i += 2) text += `\0${literal(fields[i]!)}${literal(fields[i + 1]!)}`;
  return text;
}

function literal(text: string): string {
  if (text.length < 127) return String.fromCharCode(text.length) + text;
  let rest = text.length - 127;
  let head = "\x7f";
  for (; rest >= 128; rest >>= 7) head += String.fromCharCode((rest & 127) | 128);
  return head + String.fromCharCode(rest) + text;
}

export function get(path: string, ...more: string[]): string[] {
  return [":method", "GET", ":scheme", "http", ":path", path, ":authority", "test.example", ...more];
}

export function post(path: string, ...more: string[]): string[] {
  return [":method", "POST", ...get(path, ...more).slice(2)];
}

/** HEADERS that are whole. */
export function headers(stream: number, fields: Fields, end = true): string {
  return frame(f.HEADERS, f.END_HEADERS | (end ? f.END_STREAM : 0), stream, block(fields));
}

export class Http2Peer {
  readonly socket: TestSocket;
  /** Fields of each header block that came, by stream; the last one. */
  readonly heads: Record<number, string[]> = {};
  /** DATA that came, by stream. */
  readonly bodies: Record<number, string> = {};
  private readonly decoder = new HpackDecoder(1e6);
  private at = 0;

  constructor(socket: TestSocket) {
    this.socket = socket;
  }

  send(...frames: string[]): void {
    this.socket.feed(frames.join(""));
  }

  ask(stream: number, path: string, ...more: string[]): void {
    this.send(headers(stream, get(path, ...more)));
  }

  /** What has come since the last call, a line a frame; SETTINGS, and what answers them, only with `all`. */
  read(all = false): string[] {
    const bytes = Buffer.from(this.socket.written, "latin1");
    const lines: string[] = [];
    while (bytes.length - this.at >= f.HEAD_BYTES) {
      const length = bytes.readUIntBE(this.at, 3);
      const end = this.at + f.HEAD_BYTES + length;
      if (end > bytes.length) throw new Error("the server has written half a frame");
      const line = this.tell(bytes[this.at + 3]!, bytes[this.at + 4]!, bytes.readUInt32BE(this.at + 5), bytes, end);
      if (all || !/^(SETTINGS|WINDOW_UPDATE)/.test(line)) lines.push(line);
      this.at = end;
    }
    return lines;
  }

  private tell(type: number, flags: number, stream: number, bytes: Buffer, end: number): string {
    const start = this.at + f.HEAD_BYTES;
    const payload = bytes.toString("latin1", start, end);
    const name = TYPES[type] ?? String(type);
    const ended = type <= f.HEADERS && flags & f.END_STREAM ? " END_STREAM" : "";
    const ack = (type === f.SETTINGS || type === f.PING) && flags & f.ACK ? " ACK" : "";
    switch (type) {
      case f.DATA:
        this.bodies[stream] = (this.bodies[stream] ?? "") + payload;
        return `DATA ${stream} ${payload.length > 40 ? `${payload.length} bytes` : payload}${ended}`;
      case f.HEADERS: {
        const fields: string[] = [];
        const sink = { onField: (field: string, value: string) => void fields.push(field, value) };
        this.decoder.decode(bytes as unknown as Bytes, start, end, sink);
        this.heads[stream] = fields;
        return `HEADERS ${stream} ${fields[0] === ":status" ? fields[1] : fields.join(" ")}${ended}`;
      }
      case f.RST_STREAM:
        return `RST_STREAM ${stream} ${CODES[bytes.readUInt32BE(start)]}`;
      case f.GOAWAY:
        return `GOAWAY last=${bytes.readUInt32BE(start)} ${CODES[bytes.readUInt32BE(start + 4)]}`;
      case f.WINDOW_UPDATE:
        return `WINDOW_UPDATE ${stream} ${bytes.readUInt32BE(start)}`;
      case f.SETTINGS: {
        const settings: string[] = [];
        for (let at = start; at < end; at += 6)
          settings.push(`${bytes.readUInt16BE(at)}=${bytes.readUInt32BE(at + 2)}`);
        return [`SETTINGS${ack}`, ...settings].join(" ");
      }
      default:
        return `${name} ${stream}${ack}`;
    }
  }
}

/** A connection that has begun. @param settings of the client */
export function openHttp2(server: TestServer, settings = ""): Http2Peer {
  const peer = new Http2Peer(server.connect());
  peer.send(f.PREFACE, frame(f.SETTINGS, 0, 0, settings));
  return peer;
}
