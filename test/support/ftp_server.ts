/**
 * A scripted FTP server: it keeps a few files, records every command, and answers as it is told, right or wrong.
 *
 *     await using ftp = await startFtpServer({
 *       files: { "/hello.txt": "hello\n", "/slow.bin": async (data) => { ... } },
 *       listings: { "/": "-rw-r--r-- 1 u g 6 Jan 1 10:00 hello.txt\r\n" },
 *       replies: { EPSV: "500 what?", "CWD locked": "550 no", SIZE: close },
 *     });
 *
 * `replies` go before what the server would do itself: by the whole command, else by its verb. "GREETING" is what it says first,
 * "FINAL" what it says after a transfer.
 */
import type { Buffer } from "node:buffer";
import net from "node:net";
import { Conditions } from "./message.ts";

/** Lines to send, without the last line end; null: none. Functions may act on the session besides. */
export type FtpReply = string | ((session: FtpSession, argument: string) => string | null | Promise<string | null>);
/** A file's bytes as latin-1, or what sends them; the data connection is closed after it. */
export type FtpFile = string | ((data: net.Socket) => Promise<void>);

export interface FtpOptions {
  files?: Record<string, FtpFile>;
  /** By the path of a directory: what LIST sends. Paths that are neither here nor in `files` do not exist. */
  listings?: Record<string, string>;
  /** Of a file, as MDTM tells them. */
  times?: Record<string, string>;
  replies?: Record<string, FtpReply>;
  readonly address?: string;
  readonly port?: number;
}

/** Closes the control connection. */
export const close: FtpReply = (session) => {
  session.raw.destroy();
  return null;
};

/** Never answers. */
export const silence: FtpReply = () => null;

export class FtpSession {
  readonly raw: net.Socket;
  readonly commands: string[] = [];
  cwd = "/";
  closed = false;
  private readonly server: FtpServer;
  private listener: net.Server | null = null;
  private data: Promise<net.Socket> | null = null;
  private input = "";
  private turn: Promise<void> = Promise.resolve();

  constructor(server: FtpServer, raw: net.Socket) {
    this.server = server;
    this.raw = raw;
    raw.on("data", (bytes: Buffer) => this.feed(bytes.toString("latin1")));
    raw.on("error", () => {});
    raw.on("close", () => {
      this.closed = true;
      this.listener?.close();
      void this.data?.then((data) => data.destroy());
      server.changed();
    });
    this.turn = this.answer("GREETING", "", () => "220 ready");
  }

  reply(text: string): void {
    this.raw.write(`${text}\r\n`, "latin1");
  }

  /** Opens a port for the data connection, and answers it. */
  listen(): Promise<number> {
    this.listener?.close();
    const listener = net.createServer();
    this.listener = listener;
    const { promise, resolve } = Promise.withResolvers<net.Socket>();
    this.data = promise;
    listener.on("connection", (socket: net.Socket) => {
      socket.on("error", () => {});
      this.server.dataConnections.push(socket);
      this.server.changed();
      resolve(socket);
    });
    return new Promise((listening) => {
      listener.listen(0, this.raw.localAddress, () => listening((listener.address() as net.AddressInfo).port));
    });
  }

  private feed(text: string): void {
    this.input += text;
    for (let end = this.input.indexOf("\r\n"); end >= 0; end = this.input.indexOf("\r\n")) {
      const line = this.input.slice(0, end);
      this.input = this.input.slice(end + 2);
      this.commands.push(line);
      this.server.commands.push(line);
      this.server.changed();
      this.turn = this.turn.then(() => this.obey(line));
    }
  }

  private obey(line: string): Promise<void> {
    const space = line.indexOf(" ");
    const verb = space < 0 ? line : line.slice(0, space);
    const argument = space < 0 ? "" : line.slice(space + 1);
    return this.answer(line, argument, () => this.serve(verb, argument), verb);
  }

  private async answer(key: string, argument: string, usual: () => string | null | Promise<string | null>, verb = key) {
    const { replies = {} } = this.server.options;
    const scripted = replies[key] ?? replies[verb];
    const reply =
      scripted === undefined ? await usual() : typeof scripted === "string" ? scripted : await scripted(this, argument);
    if (reply !== null && !this.closed) this.reply(reply);
  }

  private serve(verb: string, argument: string): string | null | Promise<string | null> {
    const path = this.path(argument);
    const { files = {}, listings = {}, times = {} } = this.server.options;
    const file = files[path];
    switch (verb) {
      case "USER":
        return "331 password?";
      case "PASS":
        return "230 Welcome";
      case "TYPE":
        return "200 type set";
      case "PWD":
        return `257 "${this.cwd}" is where you are`;
      case "CWD":
        if (listings[path] === undefined) return `550 ${argument}: no such directory`;
        this.cwd = path;
        return "250 changed";
      case "SIZE":
        if (typeof file === "string") return `213 ${file.length}`;
        return file === undefined ? "550 not a plain file" : "502 not known";
      case "MDTM":
        return times[path] === undefined ? "550 not known" : `213 ${times[path]}`;
      case "EPSV":
        return this.listen().then((port) => `229 Entering Extended Passive Mode (|||${port}|)`);
      case "PASV":
        return this.listen().then((port) => `227 Entering Passive Mode (127,0,0,1,${port >> 8},${port & 255})`);
      case "PORT":
        this.connect(argument);
        return "200 PORT is fine";
      case "RETR":
        return file === undefined ? "550 no such file" : this.transfer(file);
      case "LIST":
        return this.transfer(listings[argument.startsWith("-") || argument === "" ? this.cwd : path] ?? "");
      case "QUIT":
        this.reply("221 bye");
        this.raw.end();
        return null;
      default:
        return "500 unknown";
    }
  }

  private connect(argument: string): void {
    const [a, b, c, d, high, low] = argument.split(",").map(Number);
    this.data = new Promise((resolve) => {
      const socket = net.connect({ host: [a, b, c, d].join("."), port: high! * 256 + low! }, () => resolve(socket));
      socket.on("error", () => {});
    });
  }

  private async transfer(file: FtpFile): Promise<string | null> {
    this.reply("150 here it comes");
    const data = await this.data!;
    if (typeof file === "string") data.write(file, "latin1");
    else await file(data);
    const closed = new Promise((resolve) => data.once("close", resolve));
    if (!data.destroyed) {
      data.end();
      data.resume();
      await closed;
    }
    const { FINAL = "226 done" } = this.server.options.replies ?? {};
    return typeof FINAL === "string" ? FINAL : await FINAL(this, "");
  }

  /** A path of the server, for an argument that may be relative, with globbing characters escaped. */
  private path(argument: string): string {
    const name = argument.replace(/\\(.)/g, "$1");
    const joined = name.startsWith("/") ? name : `${this.cwd}/${name}`;
    return joined.replace(/\/+/g, "/").replace(/(.)\/$/, "$1");
  }
}

export class FtpServer implements AsyncDisposable {
  /** Change them at any time. */
  options: FtpOptions;
  /** Of all sessions, in the order in which they came. */
  readonly commands: string[] = [];
  readonly sessions: FtpSession[] = [];
  readonly dataConnections: net.Socket[] = [];
  port = 0;
  private readonly server: net.Server;
  private readonly conditions = new Conditions();

  constructor(options: FtpOptions) {
    this.options = options;
    this.server = net.createServer({ noDelay: true }, (raw) => {
      this.sessions.push(new FtpSession(this, raw));
      this.changed();
    });
  }

  /** "127.0.0.1:port" */
  get authority(): string {
    return `${this.options.address ?? "127.0.0.1"}:${this.port}`;
  }

  get url(): string {
    return `ftp://${this.authority}`;
  }

  /** The commands so far, which are then forgotten. */
  take(): string[] {
    return this.commands.splice(0);
  }

  /** Resolves when the condition holds; looked at after every event. */
  until(holds: () => boolean, what: string): Promise<void> {
    return this.conditions.until(holds, () => `${what} at the FTP server; it got ${this.commands.join(" | ")}`);
  }

  /** Resolves when no control connection is open. */
  untilIdle(): Promise<void> {
    return this.until(() => this.sessions.every((session) => session.closed), "the close of all sessions");
  }

  changed(): void {
    this.conditions.changed();
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(this.options.port ?? 0, this.options.address ?? "127.0.0.1", () => {
        this.port = (this.server.address() as net.AddressInfo).port;
        resolve();
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.close();
    for (const session of this.sessions) session.raw.destroy();
    for (const data of this.dataConnections) data.destroy();
    await this.untilIdle();
  }
}

export async function startFtpServer(options: FtpOptions = {}): Promise<FtpServer> {
  const server = new FtpServer(options);
  await server.listen();
  return server;
}
