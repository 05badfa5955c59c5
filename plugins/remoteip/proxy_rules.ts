/**
 * On which addresses connections begin with a PROXY header.
 * Source: httpd modules/metadata/mod_remoteip.c, remoteip_enable_proxy_protocol, remoteip_hook_pre_connection
 */
import { type ConnRec, type IpSubnet, type ServerRec, sameIp, type VhostAddr } from "../../modules/mod.ts";

/** What `RemoteIPProxyProtocol` says in one server. */
export interface ProxyProtocolSetting {
  readonly server: ServerRec;
  readonly on: boolean;
}

/** The main server stands for every address. */
const EVERYWHERE: readonly VhostAddr[] = [{ host: "*", port: 0, name: "*" }];

export class ProxyRules {
  readonly enabled: VhostAddr[] = [];
  readonly disabled: VhostAddr[] = [];
  private readonly exceptions: readonly IpSubnet[];

  /** @param settings the later one counts where two are about the same address */
  constructor(settings: readonly ProxyProtocolSetting[], exceptions: readonly IpSubnet[]) {
    this.exceptions = exceptions;
    for (const { server, on } of settings) {
      for (const addr of server.isVirtual ? server.addrs : EVERYWHERE) {
        const [add, drop] = on ? [this.enabled, this.disabled] : [this.disabled, this.enabled];
        const before = drop.findIndex(({ host, port }) => host === addr.host && port === addr.port);
        if (before >= 0) drop.splice(before, 1);
        add.push(addr);
      }
    }
  }

  /** Must this connection begin with a header? */
  apply(conn: ConnRec): boolean {
    const here = (addr: VhostAddr) => covers(addr, conn.localIp, conn.localPort);
    if (!this.enabled.some(here) || this.disabled.some(here)) return false;
    return !this.exceptions.some((subnet) => subnet.has(conn.peerIp));
  }
}

function covers({ host, port }: VhostAddr, ip: string, localPort: number): boolean {
  return (host === "*" || sameIp(host, ip)) && (port === 0 || port === localPort);
}
