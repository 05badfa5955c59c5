/**
 * Which protocol a connection with TLS is to speak: what the client offers against what Protocols allows.
 * Source: httpd server/protocol.c ap_select_protocol; modules/ssl/ssl_engine_kernel.c ssl_callback_alpn_select
 */
import type { HttpConfig } from "./http_config.ts";

/** What sluice speaks on TLS. */
const SPOKEN = ["h2", "http/1.1"];

/** The protocols that a server tells clients by ALPN; none: it does not speak of them. */
export function alpnOf({ protocols }: Pick<HttpConfig, "protocols">): readonly string[] {
  if (!protocols.includes("h2")) return [];
  return SPOKEN.filter((name) => name === "http/1.1" || protocols.includes(name));
}

/** One of those that the client offers; "": none is. */
export function alpnFor(conf: Pick<HttpConfig, "protocols" | "honorOrder">, offered: readonly string[]): string {
  const both = alpnOf(conf).filter((name) => offered.includes(name));
  // HTTP/1.1 is spoken even where Protocols does not say so, but nobody prefers it then.
  const order = conf.honorOrder ? [...conf.protocols, "http/1.1"] : offered;
  return order.find((name) => both.includes(name)) ?? "";
}
