/**
 * One request to an FTP server: a control connection of its own, the commands in their order, the answer to the client.
 * Source: httpd modules/proxy/mod_proxy_ftp.c proxy_ftp_handler
 */
import {
  acquireConnection,
  type Backend,
  ClientWatch,
  type ConnPool,
  DONE,
  defaultPort,
  disableWorker,
  type FailureSource,
  type FailureStage,
  getProxyConfig,
  OK,
  type ProxyAttempt,
  type ProxyUrl,
  type ProxyWorker,
  proxyError,
  type RequestRec,
  type Socket,
  type Status,
  serverTimeoutMs,
} from "../../modules/mod.ts";
import { ActivePort } from "./active_port.ts";
import { FtpAnswer } from "./answer.ts";
import type { FtpConfig } from "./config.ts";
import { FtpControl } from "./control.ts";
import { DataConnection } from "./data.ts";
import { Listing } from "./listing.ts";
import { type Login, unauthorized } from "./login.ts";
import { escapeWildcards, type FtpPath, hasWildcard, type TransferType } from "./path.ts";
import { type DataAddress, type FtpReply, parseEpsv, parseMdtm, parsePasv, parsePwd } from "./reply.ts";

const MODULE = "proxy_ftp";

export class FtpExchange {
  private readonly r: RequestRec;
  private readonly worker: ProxyWorker;
  private readonly url: ProxyUrl;
  private readonly attempt: ProxyAttempt;
  private readonly conf: FtpConfig;
  private readonly path: FtpPath;
  private readonly login: Login;
  private readonly client = new ClientWatch();
  /** How long one read may take. */
  private readonly timeoutMs: number;
  private readonly connectMs: number;
  private control!: FtpControl;
  private data: DataConnection;
  private port: ActivePort | null = null;
  /** The last name of the path; "" once it turned out to be a directory, and was changed into. */
  private name: string;
  private listing: Listing | null = null;
  private readme = "";
  /** The directory, as the server calls it; null: it did not say. */
  private pwd: string | null = null;
  /** Of the file, in bytes; -1: not known. */
  private size = -1;
  private lastModified = "";
  /** The server will say how the transfer ended. */
  private finalDue = false;
  private sent: FtpAnswer | null = null;

  constructor(
    r: RequestRec,
    worker: ProxyWorker,
    url: ProxyUrl,
    attempt: ProxyAttempt,
    conf: FtpConfig,
    path: FtpPath,
    login: Login,
  ) {
    this.r = r;
    this.worker = worker;
    this.url = url;
    this.attempt = attempt;
    this.conf = conf;
    this.path = path;
    this.login = login;
    this.name = path.name;
    if (path.wantsListing) this.listing = new Listing(r);
    const proxy = getProxyConfig(r.perDirConfig);
    const { params } = worker;
    this.timeoutMs = params.timeoutMs ?? proxy.timeoutMs ?? serverTimeoutMs(r);
    this.connectMs = params.connectionTimeoutMs ?? this.timeoutMs;
    this.data = new DataConnection(r.conn.process, this.timeoutMs);
  }

  async run(): Promise<Status> {
    const pool = await acquireConnection("FTP", this.r, this.worker, this.attempt, this.client);
    if (typeof pool === "number") return pool;
    const backend = await this.connect(pool);
    if (typeof backend === "number") {
      pool.free();
      return backend;
    }
    this.control = new FtpControl(this.r, backend, this.timeoutMs);
    this.client.onLeave = () => this.leave();
    let status = await this.converse();
    if (this.client.gone) status = this.left();
    this.data.close();
    this.port?.close();
    if (status === OK) void this.quit(pool);
    else {
      this.control.close();
      pool.free();
    }
    return status;
  }

  private async connect(pool: ConnPool): Promise<Backend | Status> {
    const { r, worker, url, client, attempt } = this;
    const { process } = r.conn;
    const port = url.port || (url.host === worker.host && worker.port) || defaultPort("ftp")!;
    r.log.debug(MODULE, "AH01036", `connecting ftp://${url.host}${url.target} to ${url.host}:${port}`, r);
    let backend: Awaited<ReturnType<ConnPool["connect"]>>;
    try {
      backend = await pool.connect(url.host, port, this.connectMs);
    } catch {
      if (client.gone) return this.left();
      this.failed("resolve", "backend", "DNS lookup failure");
      return proxyError(r, 502, "Error resolving backend address");
    }
    if ("pool" in backend) {
      worker.connected();
      const times = attempt.times?.at(-1);
      if (times !== undefined) times.connectedUs = process.clock.wallUs();
      if (!client.gone) return backend;
      backend.close();
      return this.left();
    }
    if (client.gone) return this.left();
    const { cause, timedOut } = backend;
    disableWorker(worker, process.clock.wallUs() / 1000, process.log, cause);
    attempt.failure = { stage: "connect", source: "backend", retry: "yes", cause, timedOut };
    return 503;
  }

  private async converse(): Promise<Status> {
    const steps = [this.greet, this.logIn, this.changeDirectory, this.prepare, this.find, this.look, this.ask];
    for (const step of steps) {
      const status = await step.call(this);
      if (status !== OK) return status;
    }
    return this.answer();
  }

  // ---- the commands, in their order

  private async greet(): Promise<Status> {
    const reply = await this.control.reply();
    if (reply.code === 220) return OK;
    if (reply.code !== 120) return this.refused(reply);
    const minutes = /(?:^|\s)(\d{1,6})/.exec(reply.text);
    if (minutes !== null) this.r.headersOut.set("Retry-After", String(60 * Number(minutes[1])));
    this.attempt.failure = { stage: "acquire", source: "backend", retry: "yes", cause: reply.text, timedOut: false };
    return proxyError(this.r, 503, reply.text);
  }

  private async logIn(): Promise<Status> {
    const { r, login } = this;
    let reply = await this.control.command("USER", login.user);
    if (reply.code === 331 && login.password !== null) {
      reply = await this.control.command("PASS", login.password);
      if (reply.code === 332) return proxyError(r, 401, `Need account for login: ${reply.text}`);
      if (reply.code === 202) reply = { ...reply, code: 230 };
    }
    if (reply.code === 530 || (reply.code === 331 && login.password === null)) return unauthorized(r, login);
    this.readme = reply.text;
    return reply.code === 230 ? OK : this.refused(reply);
  }

  /** One component after the other: nobody knows what separates them there. */
  private async changeDirectory(): Promise<Status> {
    if (this.path.fromRoot) {
      const reply = await this.control.command("CWD", "/");
      if (reply.lost) return this.refused(reply);
    }
    for (const directory of this.path.directories) {
      const status = await this.changeInto(directory);
      if (status !== OK) return status;
    }
    return OK;
  }

  private async changeInto(directory: string): Promise<Status> {
    const reply = await this.control.command("CWD", this.argument(directory));
    if (reply.code === 250) return OK;
    return reply.code === 550 ? proxyError(this.r, 404, reply.text) : this.refused(reply);
  }

  /** HEAD needs no data, as long as SIZE knows the file. */
  private prepare(): Promise<Status> | Status {
    return this.r.headerOnly ? OK : this.openData();
  }

  /** EPSV, else PASV, else PORT. */
  private async openData(): Promise<Status> {
    const { socket } = this.control.backend;
    let reply = await this.control.command("EPSV");
    if (reply.code === 229) {
      const port = parseEpsv(reply.text);
      if (port !== 0) return this.connectData("EPSV", "AH01043", { address: socket.remoteAddress, port });
    } else if (reply.code !== 500 && reply.code !== 501 && reply.code !== 502) return this.refused(reply);

    reply = await this.control.command("PASV");
    if (reply.code === 227) {
      const address = parsePasv(reply.text);
      if (address !== null) {
        this.r.log.debug(MODULE, "AH01044", `PASV contacting host ${address.address}:${address.port}`, this.r);
        return this.connectData("PASV", "AH01048", address);
      }
    } else if (reply.code !== 502) return this.refused(reply);
    return this.listenForData(socket);
  }

  private async connectData(command: string, ah: string, to: DataAddress): Promise<Status> {
    const { r } = this;
    const cause = await this.data.connect(to, this.connectMs);
    if (cause === null) return OK;
    if (this.client.gone) return this.left();
    const address = to.address.includes(":") ? `[${to.address}]` : to.address;
    const what = `${command} attempt to connect to ${address}:${to.port} failed -`;
    r.log.error(MODULE, ah, `${what} Firewall/NAT?`, { request: r, error: cause });
    this.failed("connect", "backend", cause);
    return proxyError(r, 502, `${what} firewall/NAT?`);
  }

  private async listenForData(control: Socket): Promise<Status> {
    const { r } = this;
    const { localAddress, remoteAddress } = control;
    if (localAddress.includes(":")) return proxyError(r, 501, "PORT is for IPv4 only: the FTP server must know EPSV");
    this.port = new ActivePort(r.conn.process, remoteAddress, this.data);
    let argument: string;
    try {
      argument = await this.port.listen(localAddress);
    } catch (error) {
      r.log.error(
        MODULE,
        "AH01051",
        `error binding to ftp data socket ${localAddress}: ${(error as Error).message}`,
        r,
      );
      return 500;
    }
    const reply = await this.control.command("PORT", argument);
    return reply.code === 200 ? OK : this.refused(reply);
  }

  /** Is it a directory? SIZE knows only files. */
  private async find(): Promise<Status> {
    if (this.name === "" || (this.conf.listOnWildcard && hasWildcard(this.name))) {
      this.listing ??= new Listing(this.r);
      return OK;
    }
    await this.setType(this.path.type);
    const reply = await this.control.command("SIZE", this.argument(this.name));
    if (reply.lost) return this.refused(reply);
    if (reply.code === 213) {
      const digits = /^\d{1,15}/.exec(reply.text);
      if (digits !== null) this.size = Number(digits[0]);
    } else if (reply.code === 550) return this.enterName();
    return OK;
  }

  private async enterName(): Promise<Status> {
    this.listing ??= new Listing(this.r);
    const status = await this.changeInto(this.name);
    this.name = "";
    return status;
  }

  private async look(): Promise<Status> {
    const reply = await this.control.command("PWD");
    if (reply.lost) return this.refused(reply);
    if (reply.code === 257) this.pwd = parsePwd(reply.text);
    else if (reply.code === 550) this.report("Failed to read PWD on ftp server");
    return OK;
  }

  private async ask(): Promise<Status> {
    if (this.listing !== null) return this.askList();
    const { r } = this;
    const argument = this.argument(this.name);
    await this.setType(this.path.type);
    const time = await this.control.command("MDTM", argument);
    if (time.code === 213) this.lastModified = parseMdtm(time.text);
    if (time.lost) return this.refused(time);
    if (r.headerOnly) {
      if (this.size >= 0) return OK;
      const opened = await this.openData();
      if (opened !== OK) return opened;
    }
    const reply = await this.control.command("RETR", argument);
    if (reply.code !== 550) return this.accepted(reply);
    // A server that does not know SIZE says only now that it is a directory, or nothing.
    await this.setType("A");
    const status = await this.enterName();
    if (status !== OK) return status;
    const looked = await this.look();
    return looked === OK ? this.list() : looked;
  }

  private async askList(): Promise<Status> {
    await this.setType("A");
    return this.r.headerOnly ? OK : this.list();
  }

  private async list(): Promise<Status> {
    // A name is sent as it is: it may be a pattern. "-lag" is for systems that know slashes.
    const flags = this.pwd === null || this.pwd.includes("/") ? "-lag" : undefined;
    return this.accepted(await this.control.command("LIST", this.name === "" ? flags : this.name));
  }

  private async accepted(reply: FtpReply): Promise<Status> {
    const { code } = reply;
    if (code !== 125 && code !== 150 && code !== 226 && code !== 250) return this.refused(reply);
    this.finalDue = code < 200;
    if (this.port === null || (await this.port.connected(this.timeoutMs))) return OK;
    this.r.log.error(MODULE, "AH01053", "failed to accept data connection", this.r);
    this.failed("connect", "backend", "no data connection");
    return 502;
  }

  private async setType(type: TransferType): Promise<void> {
    const reply = await this.control.command("TYPE", type);
    // A server that goes on in its own type is better than none; a connection that is lost is found so by the next command.
    if (reply.code !== 200 && reply.code !== 504 && !reply.lost) this.report("Unable to set transfer type");
  }

  private argument(name: string): string {
    return this.conf.escapeWildcards ? escapeWildcards(name) : name;
  }

  private answer(): Promise<Status> | Status {
    const { r, client, listing, attempt } = this;
    const { clock } = r.conn.process;
    attempt.answered(clock.now());
    const times = attempt.times?.at(-1);
    if (times !== undefined) times.firstByteUs = clock.wallUs();
    // As text a file has another length than SIZE said.
    const size = listing !== null || this.path.type === "A" ? -1 : this.size;
    const answer = new FtpAnswer(r, this.worker, attempt, client, this.control, size, listing, this.finalDue);
    this.sent = answer;
    answer.begin(this.conf.dirCharset, this.lastModified);
    if (r.headerOnly) return answer.end();
    if (listing !== null) answer.write(listing.head(this.pwd, this.readme));
    return answer.transfer(this.data);
  }

  /** After the answer, and no part of it: the client need not wait. */
  private async quit(pool: ConnPool): Promise<void> {
    if (this.sent?.finalDue) await this.control.reply();
    await this.control.command("QUIT");
    this.control.close();
    pool.free();
  }

  // ---- the ends

  private refused(reply: FtpReply): Status {
    if (this.client.gone) return this.left();
    if (!reply.lost) {
      this.failed("read-head", "backend", `${reply.code} ${reply.text}`);
      return proxyError(this.r, 502, reply.text);
    }
    const { timedOut } = this.control;
    const cause = timedOut ? "read timeout" : "control connection closed";
    this.attempt.failure = { stage: "read-head", source: "backend", retry: "never", cause, timedOut };
    return proxyError(this.r, 502, "Error reading from remote server");
  }

  private leave(): void {
    this.control.close();
    this.data.close();
    this.port?.close();
  }

  private left(): Status {
    this.failed("read-body", "client", "client left");
    return DONE;
  }

  private failed(stage: FailureStage, source: FailureSource, cause: string): void {
    this.attempt.failure = { stage, source, retry: "never", cause, timedOut: false };
  }

  private report(reason: string): void {
    this.r.log.error("proxy", "AH00898", `${reason} returned by ${this.r.uri}`, this.r);
  }
}
