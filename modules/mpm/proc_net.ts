/**
 * The listening sockets of the machine, as Linux tells of them: inode → address.
 * Source: proc_net(5): /proc/net/tcp, /proc/net/unix
 */
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from "node:fs";
import { formatIp } from "../core/ipsubnet.ts";

export interface ListeningSocket {
  /** "0.0.0.0" and "::" are every address; "" with a path. */
  readonly address: string;
  readonly port: number;
  /** The path of a unix socket; "": it is none. */
  readonly unix: string;
}

const TCP_LISTEN = "0A";
const PIECE_BYTES = 4096;
/** Flags and type of a unix socket that accepts streams. */
const ACCEPTS = "00010000";
const STREAM = "0001";

/** Those of TCP; null where they cannot be told: no Linux, or Deno without the right to read /proc. */
export function listeningTcp(): Map<string, ListeningSocket> | null {
  const found = new Map<string, ListeningSocket>();
  let told = false;
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    try {
      readTcp(table, found);
      told = true;
    } catch {
      // not Linux, or no IPv6
    }
  }
  return told ? found : null;
}

/** All of them; null as of `listeningTcp`. */
export function listeningSockets(): Map<string, ListeningSocket> | null {
  const tcp = listeningTcp();
  return tcp === null ? null : new Map([...tcp, ...listeningUnix()]);
}

/** Those of unix sockets; none where they cannot be told. */
export function listeningUnix(): Map<string, ListeningSocket> {
  const found = new Map<string, ListeningSocket>();
  let text = "";
  try {
    text = readFileSync("/proc/net/unix", "utf8");
  } catch {
    // not Linux
  }
  for (const line of text.split("\n")) {
    const match = /^\S+ \S+ \S+ (\S+) (\S+) \S+ +(\d+) (.+)$/.exec(line);
    if (match?.[1] === ACCEPTS && match[2] === STREAM) found.set(match[3]!, { address: "", port: 0, unix: match[4]! });
  }
  return found;
}

/** Descriptor → inode of the sockets that this process has. */
export function ownSockets(): Map<number, string> {
  const found = new Map<number, string>();
  for (const name of readdirSync("/proc/self/fd")) {
    const inode = inodeOf(Number(name));
    if (inode !== null) found.set(Number(name), inode);
  }
  return found;
}

/** The inode of a socket; null: the descriptor is not open, or no socket. */
export function inodeOf(fd: number): string | null {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1] ?? null;
  } catch {
    return null;
  }
}

/** Listening sockets come first: what follows may be tens of thousands of closed ones. */
function readTcp(table: string, found: Map<string, ListeningSocket>): void {
  const fd = openSync(table, "r");
  const buffer = new Uint8Array(PIECE_BYTES);
  const decoder = new TextDecoder("latin1");
  try {
    let rest = "";
    for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) {
      const lines = (rest + decoder.decode(buffer.subarray(0, read))).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const [slot, local, , state, , , , , , inode] = line.trim().split(/\s+/);
        if (state === TCP_LISTEN) found.set(inode!, { ...addressOf(local!), unix: "" });
        else if (slot !== "sl") return;
      }
    }
  } finally {
    closeSync(fd);
  }
}

/** "0100007F:0050" is 127.0.0.1:80: words as a processor with the low byte first reads them, which Bun and Deno run on. */
function addressOf(text: string): { address: string; port: number } {
  const [words, port] = text.split(":") as [string, string];
  const swapped = words.match(/.{8}/g)!.map((word) => Number.parseInt(word.match(/../g)!.reverse().join(""), 16));
  return { address: formatIp(swapped), port: Number.parseInt(port, 16) };
}
