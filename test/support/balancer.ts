/** A server of one balancer on a virtual clock, and requests to elect a member for. */

import { TimerWheel } from "../../modules/core/clock.ts";
import { ErrorLog, levelRank } from "../../modules/core/error_log.ts";
import { Hooks } from "../../modules/core/hooks.ts";
import type { HostFiles } from "../../modules/core/host.ts";
import { Registrar } from "../../modules/core/module.ts";
import { OnlyChild } from "../../modules/core/only_child.ts";
import { Providers } from "../../modules/core/providers.ts";
import { ConnRec, type ProcessRec, RequestRec, ServerRec } from "../../modules/core/records.ts";
import { loadedOf } from "../../modules/core/shipped.ts";
import { HeaderTable } from "../../modules/core/table.ts";
import { nodeHost } from "../../modules/mpm/host.ts";
import { ProxyAttempt } from "../../modules/proxy/attempt.ts";
import { ProxyBalancer } from "../../modules/proxy/balancer.ts";
import {
  applyBalancerSettings,
  applyWorkerSettings,
  type BalancerSettings,
  parseBalancerParam,
  parseWorkerParam,
  type WorkerSettings,
} from "../../modules/proxy/params.ts";
import { setProxyServerState } from "../../modules/proxy/server_state.ts";
import { splitProxyUrl } from "../../modules/proxy/url.ts";
import { genericWorker, ProxyWorker } from "../../modules/proxy/worker.ts";
import { parseWorkerUrl } from "../../modules/proxy/worker_url.ts";
import { checkConfig, postConfig } from "../../modules/server/hooks.ts";
import { standardPlugins } from "../../plugins/standard.ts";
import stickyCookie from "../../plugins/sticky/mod_sticky_cookie.ts";
import { VirtualClock } from "./clock.ts";

export class BalancerFixture {
  readonly clock = new VirtualClock();
  readonly lines: string[] = [];
  readonly server = new ServerRec(false, "test.conf", 1, []);
  readonly process: ProcessRec;
  readonly balancer = new ProxyBalancer("balancer://app");
  /** Path → text, for what reads files. */
  readonly files = new Map<string, string>();

  /** @param members one line of key=value each; their hosts are m0, m1... */
  constructor(members: readonly string[], balancer = "", level = "debug") {
    const log = new ErrorLog({ write: (line) => this.lines.push(line) }, () => this.clock.wallUs(), 1, {
      base: levelRank(level)!,
      modules: new Map(),
    });
    this.process = {
      hooks: new Hooks(),
      providers: new Providers(),
      modules: [],
      clock: this.clock,
      wheel: new TimerWheel(this.clock),
      servers: [this.server],
      log,
      openLog: () => ({ write() {} }),
      missingLogFolder: () => null,
      pid: 1,
      takesTimes: false,
      keepsRequests: false,
      sockets: {} as ProcessRec["sockets"], // an election opens none
      host: { ...nodeHost, files: this.fileHost() },
      isAccessible: () => false,
      serverRoot: "/",
      runtimeDir: "/",
      siblings: new OnlyChild(new Uint8Array(32)),
      drainLimitMs: 0,
      generation: 0,
      failedReloads: { count: 0, reason: null, atUs: 0 },
      stopping: false,
    };
    this.server.process = this.process;
    this.server.log = log;
    const config: unknown[] = [];
    config[stickyCookie.index] = { keys: ["the key of all the tests"] };
    this.server.config = config;
    const registrar = new Registrar(this.process.hooks, this.process.providers);
    for (const module of loadedOf(standardPlugins)) {
      if (!/lbmethod|sticky/.test(module.name)) continue;
      module.registerHooks?.(registrar);
      config[module.index] ??= module.config.parse({});
    }
    members.forEach((line, i) => {
      const url = parseWorkerUrl(`http://m${i}`);
      if (typeof url === "string") throw new Error(url);
      const worker = new ProxyWorker(url, "member");
      const settings: WorkerSettings = {};
      each(line, (key, value) => parseWorkerParam(settings, key, value));
      applyWorkerSettings(worker, settings);
      this.balancer.members.push(worker);
    });
    const settings: BalancerSettings = {};
    each(balancer, (key, value) => parseBalancerParam(settings, key, value));
    applyBalancerSettings(this.balancer, settings);
    const error = this.balancer.initialize(this.process.providers);
    if (error !== null) throw new Error(error);
    setProxyServerState(this.server, {
      place: "main",
      workers: [],
      balancers: new Map([[this.balancer.name, this.balancer]]),
      reverse: genericWorker(),
    });
    checkConfig.run(this.process.hooks, this.process);
    postConfig.run(this.process.hooks, this.process, null);
  }

  private fileHost(): HostFiles {
    return {
      stat: (path) => {
        const text = this.files.get(path);
        if (text === undefined) return null;
        return { kind: "file", size: text.length, executable: false, modifiedMs: 0 };
      },
      read: (path) => this.files.get(path)!,
      version: (path) => this.files.get(path)!,
    };
  }

  member(i: number): ProxyWorker {
    return this.balancer.members[i]!;
  }

  request(cookie?: string): RequestRec {
    const headers = new HeaderTable();
    if (cookie !== undefined) headers.add("Cookie", cookie);
    const conn = new ConnRec({
      id: 1,
      process: this.process,
      peerIp: "127.0.0.1",
      peerPort: 1,
      localIp: "127.0.0.1",
      localPort: 80,
      vhosts: [this.server],
      secure: false,
    });
    const head = { method: "GET", target: "/", protoNum: 1001, requestLine: "GET / HTTP/1.1", headers };
    return new RequestRec(conn, this.server, head, this.clock.wallUs());
  }

  attempt(rest = "/"): ProxyAttempt {
    return new ProxyAttempt(splitProxyUrl(`balancer://app${rest}`));
  }

  indexOf(worker: ProxyWorker | null): string {
    return worker === null ? "-" : String(this.balancer.members.indexOf(worker));
  }
}

function each(line: string, parse: (key: string, value: string) => string | null): void {
  for (const word of line.split(" ").filter((w) => w !== "")) {
    const equals = word.indexOf("=");
    const error = parse(word.slice(0, equals), word.slice(equals + 1));
    if (error !== null) throw new Error(error);
  }
}
