/**
 * ADDRESS:PORT of HeartbeatListen and HeartbeatAddress.
 * Source: APR apr_parse_addr_port
 */
export interface HeartbeatTarget {
  readonly host: string;
  readonly port: number;
}

/** A string is an error in httpd's words. @param what "address" or "multicast address" */
export function parseTarget(text: string, what: string): HeartbeatTarget | string {
  if (/^\d+$/.test(text)) return `No host provided in ${what}`;
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text);
  const port = Number(match?.[3] ?? 1);
  if (match === null || port < 1 || port > 65_535) return `Unable to parse ${what}.`;
  if (match[3] === undefined) return `No port provided in ${what}`;
  return { host: (match[1] ?? match[2])!, port };
}
