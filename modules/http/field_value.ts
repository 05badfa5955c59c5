/**
 * The values of single fields: Content-Length, Transfer-Encoding, comma lists.
 */
import { decimal } from "../core/table.ts";
import { trimOws } from "./head.ts";

/** Content-Length: digits alone and not above 2^53 - 1, else -1. */
export function parseContentLength(value: string): number {
  return decimal(value, 0, value.length);
}

/** Is the transfer coding exactly `chunked`? Anything else is not understood (AH01093). */
export function isChunked(value: string): boolean {
  return value === "chunked" || (value.length === 7 && value.toLowerCase() === "chunked");
}

/** The elements of a comma list such as Connection, trimmed, empty ones left out. */
export function connectionTokens(value: string, each: (token: string) => void): void {
  let from = 0;
  while (from <= value.length) {
    let comma = value.indexOf(",", from);
    if (comma < 0) comma = value.length;
    const token = trimOws(value.slice(from, comma), 0);
    if (token !== "") each(token);
    from = comma + 1;
  }
}
