/**
 * mod_mpm_event: how many children serve, and how many connections. A child is an event loop, alone or in a thread; httpd's
 * numbers of threads have nothing here that they could count.
 * Source: httpd server/mpm/event/event.c, server/mpm/prefork/prefork.c, server/listen.c, server/mpm_common.c
 */
import { atoi } from "../config/units.ts";
import type { CommandContext } from "../core/command.ts";
import { defineModule, getModuleConfig } from "../core/module.ts";
import type { ProcessRec } from "../core/records.ts";
import * as z from "../core/schema.ts";
import { MOST_CHILDREN } from "../core/siblings.ts";
import { openFileLimit } from "../net/descriptors.ts";
import core, { frontOf } from "../server/mod_core.ts";
import { coresOf } from "./cores.ts";

/** More gain nothing: a child that has work keeps a processor busy. */
const CHILDREN_PER_CORE = 2;
/** With fewer connections for each, one would be full while another has room. Source: httpd DEFAULT_THREADS_PER_CHILD */
const LEAST_SHARE = 25;
/** Descriptors are divided, too, and a child has need of some before its first client. */
const LEAST_FILES = 256;
/** httpd's defaults. Source: server/mpm/event/event.c DEFAULT_SERVER_LIMIT, include/mpm_common.h DEFAULT_LISTENBACKLOG */
const SERVER_LIMIT = 16;
const LISTEN_BACKLOG = 511;

const THREADS = "a child is one event loop, without threads to count: no effect";

const mpm = defineModule({
  name: "mod_mpm_event",
  config: z.object({
    /** Children; 0: one for each core. */
    startServers: z.number().default(0),
    serverLimit: z.number().default(SERVER_LIMIT),
    /** Connections of all children; 0: no limit. */
    maxRequestWorkers: z.number().default(0),
    /** A child that accepted so many is replaced; 0: never. */
    maxConnectionsPerChild: z.number().default(0),
    listenBacklog: z.number().default(LISTEN_BACKLOG),
  }),
  needs: ["threads"],
  commands: ({ take1 }) => [
    take1(
      "StartServers",
      "global",
      setStartServers,
      "How many event loops serve; auto, the default: one for each core",
    ),
    take1("ServerLimit", "global", atLeastOne("serverLimit", "AH00499"), "Most event loops"),
    take1("MaxRequestWorkers", "global", setMaxWorkers, "Most connections at one time; those beyond it wait"),
    take1("MaxClients", "global", setMaxWorkers, "Deprecated name of MaxRequestWorkers"),
    take1(
      "MaxConnectionsPerChild",
      "global",
      setMaxConnections,
      "An event loop that accepted so many connections is replaced; 0: never",
    ),
    take1("MaxRequestsPerChild", "global", setMaxConnections, "Deprecated name of MaxConnectionsPerChild"),
    take1("ListenBacklog", "global", setBacklog, "Maximum length of the queue of pending connections"),
    ...["MinSpareThreads", "MaxSpareThreads", "MinSpareServers", "MaxSpareServers", "ThreadLimit"].map((name) =>
      take1(name, "global", nothing, THREADS),
    ),
    take1("ThreadsPerChild", "global", nothing, THREADS),
    take1("AsyncRequestWorkerFactor", "global", checkFactor, THREADS),
    take1("ListenCoresBucketsRatio", "global", nothing, "each child has a listener of its own: no effect"),
    take1("ScoreBoardFile", "global", nothing, "the scoreboard is memory: no effect"),
  ],
});
export default mpm;

function nothing(): void {}

function setStartServers(cmd: CommandContext, arg: string): void {
  if (arg.toLowerCase() === "auto") cmd.set("startServers", 0);
  else atLeastOne("startServers", "AH00517", "StartServers")(cmd, arg);
}

function atLeastOne(key: "startServers" | "serverLimit", ah: string, name = "ServerLimit") {
  return (cmd: CommandContext, arg: string): void => {
    const value = atoi(arg);
    if (value < 1) cmd.warn(ah, `WARNING: ${name} of ${value} not allowed, increasing to 1.`);
    cmd.set(key, Math.max(1, value));
  };
}

function setMaxWorkers(cmd: CommandContext, arg: string): void {
  cmd.set("maxRequestWorkers", Math.max(1, atoi(arg)));
}

function setMaxConnections(cmd: CommandContext, arg: string): void {
  cmd.set("maxConnectionsPerChild", Math.max(0, atoi(arg)));
}

function setBacklog(cmd: CommandContext, arg: string): string | undefined {
  const backlog = atoi(arg);
  if (backlog <= 0) return "ListenBacklog must be > 0";
  cmd.set("listenBacklog", backlog);
  return undefined;
}

function checkFactor(_cmd: CommandContext, arg: string): string | undefined {
  const factor = Number(arg);
  if (arg.trim() === "" || Number.isNaN(factor)) return "error parsing value";
  return factor <= 0 ? "AsyncRequestWorkerFactor argument must be a positive number" : undefined;
}

/** What the configuration asks of the children. */
export interface Plan {
  readonly children: number;
  /** How many the configuration would have. */
  readonly wanted: number;
  /** Why they are fewer; "": they are not. */
  readonly why: string;
  /** Of all children; 0: no limit. */
  readonly connections: number;
  /** Of each child, after which it is replaced; 0: never. */
  readonly lifetime: number;
  /** Why never, where the configuration has a number for it; "". */
  readonly endless: string;
  readonly backlog: number;
}

/**
 * @param spreads whether the system spreads connections over the listeners of one port
 * @param files that may be open
 */
export function planOf(
  process: ProcessRec,
  cores = coresOf(),
  spreads = globalThis.process.platform === "linux",
  files = openFileLimit(),
): Plan {
  const main = process.servers[0]!.config;
  const conf = getModuleConfig(main, mpm);
  const most = Math.min(conf.serverLimit, CHILDREN_PER_CORE * cores, MOST_CHILDREN / 2);
  // Each has its share of the connections, and of the descriptors.
  const { maxRequestWorkers: connections } = conf;
  const shares = Math.floor(Math.min((connections || Number.POSITIVE_INFINITY) / LEAST_SHARE, files / LEAST_FILES));
  const auto = Math.min(cores, Math.max(1, shares));
  const wanted = Math.min(conf.startServers || auto, most, connections || most);
  const server = getModuleConfig(main, core);
  const { listen } = server;
  const hasFetch = listen.some((spec) => frontOf(server, spec) === "fetch");
  const endless =
    hasFetch && conf.maxConnectionsPerChild > 0
      ? "there is a Front fetch, whose servers cannot be handed from one child to the next"
      : "";
  let why = "";
  if (wanted > 1 && !spreads) why = "this system does not spread connections over several listeners of a port";
  else if (wanted > 1 && listen.some(({ unix }) => unix !== "")) {
    why = "there is a Listen on a unix socket, whose connections the system does not spread";
  } else if (wanted > 1 && hasFetch) {
    why = "there is a Front fetch, whose servers do not share a port on Deno";
  }
  const children = why === "" ? wanted : 1;
  return {
    children,
    wanted,
    why,
    connections,
    lifetime: endless === "" ? conf.maxConnectionsPerChild : 0,
    endless,
    backlog: conf.listenBacklog,
  };
}
