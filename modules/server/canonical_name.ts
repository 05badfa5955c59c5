/**
 * The name and port by which the server calls itself for a request: UseCanonicalName, UseCanonicalPhysicalPort.
 * Source: httpd server/core.c, ap_get_server_name, ap_get_server_port
 */
import { getModuleConfig } from "../core/module.ts";
import type { RequestRec } from "../core/records.ts";
import { HOST } from "../core/table.ts";
import core from "./mod_core.ts";

/** The host that the client asked for, or ServerName. IPv6 addresses have brackets. */
export function serverName(r: RequestRec): string {
  const { useCanonicalName } = getModuleConfig(r.perDirConfig, core);
  return useCanonicalName === "off" && r.hostname !== "" ? r.hostname : r.server.hostname;
}

export function serverPort(r: RequestRec): number {
  const conf = getModuleConfig(r.perDirConfig, core);
  const usual = r.conn.secure ? 443 : 80;
  if (conf.useCanonicalName !== "on") {
    const asked = askedPort(r);
    if (asked !== 0) return asked;
    if (conf.useCanonicalPhysicalPort && r.conn.localPort !== 0) return r.conn.localPort;
    return r.server.port || usual;
  }
  return r.server.port || (conf.useCanonicalPhysicalPort ? r.conn.localPort : 0) || usual;
}

/** The port in Host, which was checked when the head was read; 0: none. An absolute target has replaced Host. */
function askedPort(r: RequestRec): number {
  const port = /:(\d+)$/.exec(r.headersIn.getId(HOST) ?? "");
  return port === null ? 0 : Number(port[1]);
}
