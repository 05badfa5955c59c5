/**
 * TLS of listeners whose server is the runtime's: it must be told everything before the first connection. Where connections are
 * ours, `pre_connection` has them one by one.
 */
import { providerGroup } from "../core/providers.ts";
import type { ProcessRec, ServerRec } from "../core/records.ts";
import type { TlsServerOptions } from "../net/socket.ts";

/** A host that a listener answers for. */
export interface TlsHost {
  /** By SNI, lower case; "*.a.test" stands for what is below. */
  readonly names: readonly string[];
  /** One for each type of key; but for that they say the same. */
  readonly certificates: readonly TlsServerOptions[];
}

/** What mod_ssl says of listeners. */
export interface ListenerTls {
  /** The hosts of an address, the one first that serves where no name fits; null: plain HTTP is spoken. */
  hostsOf(vhosts: readonly ServerRec[]): readonly TlsHost[] | null;
  /** Calls `changed` whenever certificates of a generation that serves are others. */
  watch(process: ProcessRec, changed: () => void): void;
}

/** By the name "ssl". */
export const listenerTls = providerGroup<ListenerTls>("listener_tls");
