/**
 * Host: what may stand in it, its name and its port.
 * Source: httpd server/vhost.c
 */
import { isDigit } from "./head.ts";

/** Where the host of a Host value ends: before `:port`, else its length. -1 when the port is not 1..65535. */
function hostEnd(value: string): number {
  const length = value.length;
  let i = length - 1;
  while (i >= 0 && isDigit(value.charCodeAt(i))) i--;
  if (i < 0 || i === length - 1 || value.charCodeAt(i) !== 58) return length;
  let port = 0;
  for (let k = i + 1; k < length && port <= 65535; k++) port = port * 10 + value.charCodeAt(k) - 48;
  return port >= 1 && port <= 65535 ? i : -1;
}

/** May this be a Host value under HttpProtocolOptions Strict? Source: server/vhost.c strict_hostname_check */
export function checkHost(value: string): boolean {
  const end = hostEnd(value);
  if (end <= 0) return false;
  if (value.charCodeAt(0) === 91) return value.charCodeAt(end - 1) === 93 && isIpv6(value, 1, end - 1);
  let numeric = true;
  let leadingZero = false;
  let dots = 0;
  let label = 0; // where the last label that has characters begins
  for (let i = 0; i < end; i++) {
    const c = value.charCodeAt(i);
    if (isDigit(c)) {
      if (c === 48 && (i === 0 || value.charCodeAt(i - 1) === 46) && i + 1 < end && isDigit(value.charCodeAt(i + 1)))
        leadingZero = true;
    } else if (c === 46) {
      if (i + 1 < end && value.charCodeAt(i + 1) === 46) return false;
      dots++;
      label = i + 1;
    } else if (isLetter(c) || c === 45 || c === 95) {
      numeric = false;
    } else {
      return false;
    }
  }
  if (numeric) return dots === 3 && !leadingZero && value.charCodeAt(0) !== 46 && value.charCodeAt(end - 1) !== 46;
  return label === 0 || label === end || isLetter(value.charCodeAt(label));
}

function isLetter(c: number): boolean {
  const low = c | 32;
  return low >= 97 && low <= 122;
}

/** Source: server/vhost.c fix_hostname_v6_literal; unlike it at least two colons are asked for. */
function isIpv6(value: string, from: number, end: number): boolean {
  let double = false;
  let colons = 0;
  for (let i = from; i < end; i++) {
    const c = value.charCodeAt(i);
    const next = i + 1 < end ? value.charCodeAt(i + 1) : 0;
    const low = c | 32;
    if (c === 58) {
      colons++;
      if (next === 46) return false;
      if (next === 58) {
        if (double) return false;
        double = true;
      }
    } else if (c === 46) {
      if (next === 58 || next === 46) return false;
    } else if (!isDigit(c) && !(low >= 97 && low <= 102)) {
      return false;
    }
  }
  return colons >= 2;
}

/** The name in a Host value that passed checkHost: lower case, without port and one trailing dot; IPv6 keeps its brackets. */
export function hostName(value: string): string {
  let end = hostEnd(value);
  if (end < 0) end = value.length;
  if (end > 1 && value.charCodeAt(end - 1) === 46) end--;
  return (end === value.length ? value : value.slice(0, end)).toLowerCase();
}
