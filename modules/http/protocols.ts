/**
 * Which protocol a connection with TLS is to speak: what the client offers against what Protocols allows.
 * Source: httpd server/protocol.c ap_select_protocol; modules/ssl/ssl_engine_kernel.c ssl_callback_alpn_select
 */
import type { HttpConfig } from "./http_config.ts";

/** The protocols that a server tells clients by ALPN: HTTP/1.1 whatever Protocols says, as httpd does. */
export function alpnOf({ protocols }: Pick<HttpConfig, "protocols">): readonly string[] {
  return protocols.includes("h2") ? ["h2", "http/1.1"] : ["http/1.1"];
}

/** One of those that the client offers; "": none is. */
export function alpnFor(conf: Pick<HttpConfig, "protocols" | "honorOrder">, offered: readonly string[]): string {
  const both = alpnOf(conf).filter((name) => offered.includes(name));
  // Where Protocols does not name HTTP/1.1 nobody prefers it.
  const order = conf.honorOrder ? [...conf.protocols, "http/1.1"] : offered;
  return order.find((name) => both.includes(name)) ?? "";
}
