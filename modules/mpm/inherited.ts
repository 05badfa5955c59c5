/**
 * Socket activation: listeners that were open before the program started, handed over by who started it. They stay open while
 * a new program takes the place of this one.
 * Source: sd_listen_fds(3); httpd server/listen.c, set_systemd_listener
 */
import { ConfigError } from "../config/directive.ts";
import { sameIp } from "../core/ipsubnet.ts";
import { getModuleConfig } from "../core/module.ts";
import type { ProcessRec } from "../core/records.ts";
import { listenName } from "../front/net.ts";
import core, { frontOf, type ListenSpec } from "../server/mod_core.ts";
import { inodeOf, type ListeningSocket, listeningSockets } from "./proc_net.ts";

const FIRST_FD = 3;
const EVERY = new Set(["0.0.0.0", "::"]);

/** A listening socket that was handed over. */
export interface InheritedSocket extends ListeningSocket {
  readonly fd: number;
  /** Of LISTEN_FDNAMES; "": none. */
  readonly name: string;
}

/** All of them; with none, the program opens its listeners itself. */
export class Inherited {
  readonly sockets: readonly InheritedSocket[];
  /** What of the environment was not heard, for the log; "". */
  readonly remark: string;

  constructor(sockets: readonly InheritedSocket[], remark = "") {
    this.sockets = sockets;
    this.remark = remark;
  }

  get used(): boolean {
    return this.sockets.length > 0;
  }

  /** The descriptor of the socket that a Listen means; undefined: it was not handed over. */
  fdOf(spec: ListenSpec): number | undefined {
    return this.sockets.find((socket) => means(spec, socket))?.fd;
  }

  /**
   * Each Listen has its socket, and each socket its Listen: clients of one that nobody accepts from would wait for ever.
   * @throws ConfigError
   */
  check(generation: ProcessRec): void {
    if (!this.used) return;
    const conf = getModuleConfig(generation.servers[0]!.config, core);
    const handed = this.sockets.map(describe).join(", ");
    for (const spec of conf.listen) {
      const position = { file: spec.file, line: spec.line, column: 1 };
      if (this.fdOf(spec) === undefined)
        throw new ConfigError(`Listen ${listenName(spec)}: no such socket was handed over`, {
          position,
          hint: `LISTEN_FDS names ${handed}`,
        });
      if (frontOf(conf, spec) === "fetch")
        throw new ConfigError(`Listen ${listenName(spec)}: Front fetch cannot serve a socket that was handed over`, {
          position,
        });
    }
    const unused = this.sockets.find(({ fd }) => !conf.listen.some((spec) => this.fdOf(spec) === fd));
    if (unused === undefined) return;
    throw new ConfigError(`no Listen is for ${describe(unused)}, which LISTEN_FDS hands over`, {
      position: { file: conf.listen[0]?.file ?? generation.serverRoot, line: conf.listen[0]?.line ?? 1, column: 1 },
    });
  }
}

/**
 * What the environment hands over to this process. It is taken out of `env`, as it is nobody else's: not a log program's.
 * @throws Error if a descriptor is not a listening socket
 */
export function takeInherited(env: Record<string, string | undefined>, pid: number): Inherited {
  const { LISTEN_FDS: fds, LISTEN_PID: whose, LISTEN_FDNAMES: names } = env;
  if (fds === undefined) return new Inherited([]);
  for (const name of ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"]) delete env[name];
  if (Number(whose) !== pid)
    return new Inherited([], `LISTEN_FDS is for process ${whose ?? "?"}, this one is ${pid}: it is ignored`);
  const sockets: InheritedSocket[] = [];
  const open = listeningSockets() ?? new Map<string, ListeningSocket>();
  for (let i = 0; i < Number(fds); i++) {
    const fd = FIRST_FD + i;
    const socket = open.get(inodeOf(fd) ?? "");
    if (socket === undefined) throw notListening(fd);
    sockets.push({ ...socket, fd, name: names?.split(":")[i] ?? "" });
  }
  return new Inherited(sockets);
}

/** Whether a Listen means this socket. */
export function means(spec: ListenSpec, socket: ListeningSocket): boolean {
  if (spec.unix !== "" || socket.unix !== "") return spec.unix === socket.unix;
  if (spec.port !== socket.port) return false;
  return spec.address === "" ? EVERY.has(socket.address) : sameIp(spec.address, socket.address);
}

/** "127.0.0.1:80 (fd 3, web)" */
export function describe({ fd, name, address, port, unix }: InheritedSocket): string {
  const where = unix || `${address.includes(":") ? `[${address}]` : address}:${port}`;
  return `${where} (fd ${fd}${name === "" ? "" : `, ${name}`})`;
}

function notListening(fd: number): Error {
  return Object.assign(new Error(`LISTEN_FDS hands over fd ${fd}, which is no listening socket`), { code: "ENOTSOCK" });
}
