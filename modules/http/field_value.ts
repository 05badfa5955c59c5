/**
 * The values of single fields: Content-Length, Transfer-Encoding, comma lists.
 */
import { trimOws } from "./head.ts";

/** Content-Length: digits alone and not above 2^53 - 1, else -1. */
export function parseContentLength(value: string): number {
  const length = value.length;
  if (length === 0) return -1;
  let n = 0;
  for (let i = 0; i < length; i++) {
    const digit = value.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    n = n * 10 + digit;
    if (n > Number.MAX_SAFE_INTEGER) return -1;
  }
  return n;
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
