/**
 * Brigades: what flows through filters. A list of buckets, each bytes or a mark.
 * Source: APR-util apr_buckets.h
 */
import type { Bytes } from "./bytes.ts";

/** FLUSH: send what is held back. EOS: the body ends here, whole. ERROR: it ends here, cut short. */
export type Bucket =
  | { readonly kind: "bytes"; readonly bytes: Bytes }
  | { readonly kind: "flush" }
  | { readonly kind: "eos" }
  | { readonly kind: "error"; readonly why: string };

export type Brigade = Bucket[];

export const FLUSH: Bucket = { kind: "flush" };
export const EOS: Bucket = { kind: "eos" };
