/**
 * mod_remoteip: who the client is behind trusted proxies, by a field of the request or by the PROXY protocol.
 * Source: httpd modules/metadata/mod_remoteip.c
 */
import {
  type CommandContext,
  type ConnRec,
  childExit,
  DECLINED,
  defineModule,
  describeFileError,
  getModuleConfig,
  IpSubnet,
  ipSubnetMessage,
  OK,
  type ProcessRec,
  parseIpSubnet,
  postConfig,
  postReadRequest,
  preConnection,
  type RequestRec,
  type Socket,
  type Status,
  type VhostAddr,
  z,
} from "../../modules/mod.ts";
import { readForwarded, type TrustedProxy } from "./forwarded.ts";
import type { ProxyClient } from "./proxy_header.ts";
import { ProxyReader } from "./proxy_reader.ts";
import { ProxyRules } from "./proxy_rules.ts";

const remoteip = defineModule({
  name: "mod_remoteip",
  config: z.object({
    /** "": the client is who connects. */
    header: z.string().default(""),
    /** "": the proxies passed are not recorded. */
    proxiesHeader: z.string().default(""),
    proxies: z.array(z.custom<TrustedProxy>()).default([]),
    proxyProtocol: z.boolean().optional(),
    exceptions: z.array(z.custom<IpSubnet>()).default([]),
  }),
  needs: ["sockets"],
  commands: ({ flag, iterate, take1 }) => [
    take1(
      "RemoteIPHeader",
      "server",
      "header",
      "Specifies a request header to trust as the client IP, e.g. X-Forwarded-For",
    ),
    take1("RemoteIPProxiesHeader", "server", "proxiesHeader", "Specifies a request header to record proxy IP's"),
    iterate("RemoteIPTrustedProxy", "server", addProxy(false), "Proxies which are trusted to present public addresses"),
    iterate("RemoteIPInternalProxy", "server", addProxy(true), "Proxies which are trusted to present any address"),
    take1("RemoteIPTrustedProxyList", "server", readList(false), "A file of RemoteIPTrustedProxy"),
    take1("RemoteIPInternalProxyList", "server", readList(true), "A file of RemoteIPInternalProxy"),
    flag("RemoteIPProxyProtocol", "server", "proxyProtocol", "Enable PROXY protocol handling ('on', 'off')"),
    iterate(
      "RemoteIPProxyProtocolExceptions",
      "server",
      addException,
      "Networks whose connections have no PROXY header",
    ),
  ],
  registerHooks({ hook }) {
    hook(postConfig, buildRules);
    hook(childExit, dropReaders);
    hook(preConnection, readProxyHeader, { rank: "first", directivesOf: ["mod_remoteip"] });
    hook(postReadRequest, findClient, { rank: "first", directivesOf: ["mod_remoteip"] });
  },
});
export default remoteip;

function addProxy(internal: boolean) {
  return (cmd: CommandContext, text: string): string | undefined => {
    const { name } = cmd.directive;
    const subnet = parseIpSubnet(text);
    if (subnet instanceof IpSubnet) {
      cmd.push("proxies", { subnet, internal });
      return undefined;
    }
    if (subnet !== "no address")
      return `RemoteIP: Error parsing IP ${text} (${ipSubnetMessage(subnet)} error) for ${name}`;
    const slash = text.indexOf("/");
    if (slash >= 0) return `RemoteIP: Error parsing IP ${text} the subnet ${text.slice(slash)} is invalid for ${name}`;
    return `RemoteIP: ${name} takes addresses and networks: the name ${text} is not looked up`;
  };
}

function readList(internal: boolean) {
  const add = addProxy(internal);
  return (cmd: CommandContext, path: string): string | undefined => {
    let text: string;
    try {
      text = cmd.host.files?.read(cmd.resolvePath(path)) ?? "";
    } catch (error) {
      return `${cmd.directive.name}: Could not open file ${cmd.resolvePath(path)}: ${describeFileError(error).replace(/^\(\d+\)/, "")}`;
    }
    for (const [i, line] of text.split("\n").entries()) {
      for (const word of line.replace(/(^|\s)#.*/, "").split(/\s+/)) {
        const error = word === "" ? undefined : add(cmd, word);
        if (error !== undefined) return `${error} at line ${i + 1} of ${cmd.resolvePath(path)}`;
      }
    }
    return undefined;
  };
}

function addException(cmd: CommandContext, text: string): string | undefined {
  const subnet = parseIpSubnet(text);
  if (subnet instanceof IpSubnet) {
    cmd.push("exceptions", subnet);
    return undefined;
  }
  const message = ipSubnetMessage(subnet);
  return `ip address '${text.split("/")[0]}' appears to be invalid${message === "" ? "" : `: ${message}`}`;
}

// The PROXY protocol

/** post_config: one set of rules for the program, since connections have no virtual host yet. */
function buildRules(process: ProcessRec, _previous: ProcessRec | null): void {
  const settings = [];
  const exceptions: IpSubnet[] = [];
  for (const server of process.servers) {
    // Raw: what a virtual host inherits was said of other addresses.
    const raw = server.raw[remoteip.index] as { proxyProtocol?: boolean; exceptions?: IpSubnet[] } | undefined;
    exceptions.push(...(raw?.exceptions ?? []));
    if (raw?.proxyProtocol !== undefined) settings.push({ server, on: raw.proxyProtocol });
  }
  const rules = new ProxyRules(settings, exceptions);
  process.servers[0]!.state[remoteip.index] = rules.enabled.length > 0 ? rules : undefined;
  announce(process, "AH03492", "enabled", rules.enabled);
  announce(process, "AH03494", "disabled", rules.disabled);
}

function announce(process: ProcessRec, ah: string, what: string, addrs: readonly VhostAddr[]): void {
  for (const { name, port } of addrs) {
    process.log.notice("remoteip", ah, `RemoteIPProxyProtocol: ${what} on ${name}:${port === 0 ? "*" : port}`);
  }
}

function rulesOf(process: ProcessRec): ProxyRules | undefined {
  return process.servers[0]!.state[remoteip.index] as ProxyRules | undefined;
}

/** Who sent a PROXY header; null: the load balancer speaks for itself. */
const clients = new WeakMap<ConnRec, ProxyClient | null>();
const reading = new Set<ProxyReader>();

/** pre_connection: the header first, before TLS, too; then the hook runs again. */
function readProxyHeader(conn: ConnRec, socket: Socket): Status {
  const rules = rulesOf(conn.process);
  if (rules === undefined || clients.has(conn) || !rules.apply(conn)) return DECLINED;
  const reader = new ProxyReader(conn, socket, headerRead);
  reading.add(reader);
  reader.start();
  return OK;
}

function headerRead(reader: ProxyReader, client: ProxyClient | null | undefined): void {
  reading.delete(reader);
  if (client !== undefined) clients.set(reader.conn, client);
}

function dropReaders(process: ProcessRec): void {
  for (const reader of reading) if (reader.conn.process === process) reader.destroy();
}

// The field

/** post_read_request: what the PROXY protocol says counts alone. */
function findClient(r: RequestRec): Status {
  if (rulesOf(r.server.process) !== undefined) {
    const client = clients.get(r.conn.master ?? r.conn);
    if (client !== undefined) {
      if (client !== null) [r.useragentIp, r.useragentPort] = [client.ip, client.port];
      return OK;
    }
  }
  const { header, proxiesHeader, proxies } = getModuleConfig(r.server.config, remoteip);
  if (header === "") return DECLINED;
  const fields = r.headersIn.getAll(header);
  const found = fields.length === 0 ? null : readForwarded(fields.join(", "), r.useragentIp, proxies);
  if (found === null) return OK;
  r.useragentIp = found.client;
  r.useragentPort = 0; // nobody knows it
  if (found.rest === null) r.headersIn.unset(header);
  else r.headersIn.set(header, found.rest);
  if (found.proxies.length > 0) {
    const list = found.proxies.join(", ");
    r.setNote("remoteip-proxy-ip-list", list);
    if (proxiesHeader !== "") r.headersIn.set(proxiesHeader, list);
  }
  return OK;
}
