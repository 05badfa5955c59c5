/** A generation made of a configuration text, on a clock of the test's; nothing listens. */

import { commandsByName } from "../../modules/config/build.ts";
import { type ConfigHost, Preprocessor } from "../../modules/config/preprocess.ts";
import { readHttpd } from "../../modules/config/read_httpd.ts";
import { type Clock, TimerWheel } from "../../modules/core/clock.ts";
import { levelRank } from "../../modules/core/error_log.ts";
import type { Module } from "../../modules/core/module.ts";
import type { ProcessRec } from "../../modules/core/records.ts";
import { nodeHost } from "../../modules/mpm/host.ts";
import { nodeSockets } from "../../modules/net/node.ts";
import type { SocketHost } from "../../modules/net/socket.ts";
import type { ProxyBalancer } from "../../modules/proxy/balancer.ts";
import { getProxyServerState } from "../../modules/proxy/server_state.ts";
import { endGeneration, makeGeneration, startGeneration } from "../../modules/server/lifecycle.ts";
import { standardModules } from "./modules.ts";

const NO_FILES: Partial<ConfigHost> = {
  env: () => undefined,
  version: "2.4.71",
  moduleLoaded: () => true,
  warn() {},
  included() {},
};

export class TestGeneration {
  readonly lines: string[] = [];
  readonly process: ProcessRec;

  /** @throws ConfigError */
  constructor(text: string, clock: Clock, more: readonly Module[] = [], sockets: SocketHost = nodeSockets) {
    const modules = [...standardModules, ...more];
    const commands = commandsByName(modules);
    const host = {
      ...NO_FILES,
      hasDirective: (name: string) => commands.has(name.toLowerCase()),
      hasSection: (name: string) => commands.get(name.toLowerCase().replace(/^</, ""))?.command.kind === "section",
    } as ConfigHost;
    const pre = new Preprocessor(host, { defines: [], serverRoot: "/" });
    const names = new Set(modules.map((module) => module.name));
    this.process = makeGeneration({
      tree: readHttpd("test.conf", text, pre),
      modules,
      clock,
      wheel: new TimerWheel(clock),
      sockets,
      host: nodeHost,
      generation: 0,
      resolvePath: (path) => path,
      warn() {},
      hasModule: (name) => names.has(name),
      pid: 1,
      openErrorLog: () => ({ write: (line) => void this.lines.push(line) }),
      openLog: () => ({ write() {} }),
      missingLogFolder: () => null,
      startRank: levelRank("debug")!,
    });
  }

  balancer(name = "balancer://app"): ProxyBalancer {
    return getProxyServerState(this.process.servers[0]!)!.balancers.get(name)!;
  }

  start(previous: ProcessRec | null = null): this {
    startGeneration(this.process, previous);
    return this;
  }

  end(): void {
    endGeneration(this.process);
  }

  /** The log lines that hold `text`. */
  logged(text: string): string[] {
    return this.lines.filter((line) => line.includes(text));
  }
}
