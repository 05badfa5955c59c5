/**
 * mod_authz_host: Require ip, host, forward-dns, local.
 * Source: httpd modules/aaa/mod_authz_host.c
 */
import {
  type AuthzCheck,
  authz,
  defineModule,
  getRemoteHost,
  type IpSubnet,
  inDomain,
  ipSubnetMessage,
  parseIpSubnet,
  type RequestRec,
  sameIp,
  splitWords,
  z,
} from "../../modules/mod.ts";
import { parseWords, type WordsOf } from "./require_words.ts";

export default defineModule({
  name: "mod_authz_host",
  config: z.object({}),
  needs: ["sockets"],
  registerHooks({ provider }) {
    provider(authz, "ip", { parse: parseRequireIp });
    provider(authz, "host", { parse: parseRequireHost });
    provider(authz, "forward-dns", { parse: parseForwardDns });
    provider(authz, "local", { parse: () => isLocal });
  },
});

const LOOPBACK = [parseIpSubnet("127.0.0.0/8"), parseIpSubnet("::1")] as IpSubnet[];

function parseRequireIp(args: string): AuthzCheck | string {
  const subnets: IpSubnet[] = [];
  for (const { text } of splitWords(args, 1)) {
    const subnet = parseIpSubnet(text);
    if (subnet === "no address") return `ip address '${text}' appears to be invalid`;
    if (typeof subnet === "string") return `ip address '${text}' appears to be invalid: ${ipSubnetMessage(subnet)}`;
    subnets.push(subnet);
  }
  if (subnets.length === 0) return "'require ip' requires an argument";
  return (r) => (subnets.some((subnet) => subnet.has(r.useragentIp)) ? "granted" : "denied");
}

function isLocal(r: RequestRec): "granted" | "denied" {
  const ip = r.useragentIp;
  const local = sameIp(ip, r.conn.localIp) || LOOPBACK.some((subnet) => subnet.has(ip));
  return local ? "granted" : "denied";
}

function parseRequireHost(args: string): AuthzCheck {
  const words = parseWords(args);
  return async (r) => {
    const host = await getRemoteHost(r);
    const { log } = r.server;
    if (host === null) {
      const text = `access check of '${args}' to ${r.uri} failed, reason: unable to get the remote host name`;
      log.error("authz_host", "AH01753", text, r);
      return "denied";
    }
    return beforeComment(r, words).some((domain) => inDomain(domain, host)) ? "granted" : "denied";
  };
}

/** Who comments a line out halfway means what stands before it. */
function beforeComment(r: RequestRec, words: WordsOf): readonly string[] {
  const all = words(r);
  const at = all.findIndex((word) => word.includes("#"));
  if (at < 0) return all;
  const kept = all.slice(0, at);
  const half = all[at]!.slice(0, all[at]!.indexOf("#"));
  if (half !== "") kept.push(half);
  const line = all.join(" ");
  const { log } = r.server;
  if (kept.length === 0) {
    const text = `authz_host authorize: dubious empty 'Require host ${line}' with only comment`;
    log.error("authz_host", "AH10120", text, r);
  } else {
    log.warn("authz_host", "AH10121", `authz_host authorize: ignoring comment in 'Require host ${line}'`, r);
  }
  return kept;
}

function parseForwardDns(args: string): AuthzCheck {
  const words = parseWords(args);
  return async (r) => {
    for (const word of words(r)) {
      const comment = word.indexOf("#");
      const name = comment < 0 ? word : word.slice(0, comment);
      if (name !== "" && (await isNamed(r, name))) return "granted";
      if (comment >= 0) break;
    }
    return "denied";
  };
}

async function isNamed(r: RequestRec, name: string): Promise<boolean> {
  const { log, process } = r.server;
  try {
    const addresses = await process.sockets.lookup(name);
    const match = addresses.some((address) => sameIp(address, r.useragentIp));
    const text = `access check for ${r.useragentIp} as '${name}': ${match ? "yes" : "no"}`;
    log.debug("authz_host", "AH03355", text, r);
    return match;
  } catch {
    log.warn("authz_host", "AH03356", `No sockaddr info for "${name}"`, r);
    return false;
  }
}
