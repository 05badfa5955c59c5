/**
 * Which substitutions are absolute URLs. A list of schemes, not a grammar: "C:/x" and "a:b" are none.
 * Source: httpd modules/mappers/mod_rewrite.c is_absolute_uri
 */

export interface AbsoluteScheme {
  /** Length with "://" or ":"; 0: no absolute URL. */
  readonly length: number;
  /** A "?" begins a query. */
  readonly query: boolean;
}

const NONE: AbsoluteScheme = { length: 0, query: false };

const QUERY = /^(?:ajp|balancer|fcgi|https?|h2c?|scgi|wss?):\/\/|^mailto:|^unix:(?:\/\/)?/i;
const PLAIN = /^(?:ftp|gopher|ldap|nntp):\/\/|^news:/i;

export function absoluteScheme(url: string): AbsoluteScheme {
  if (url.charCodeAt(0) === 0x2f || url.length <= 5) return NONE;
  const query = QUERY.exec(url);
  if (query !== null) return { length: query[0].length, query: true };
  const plain = PLAIN.exec(url);
  return plain === null ? NONE : { length: plain[0].length, query: false };
}
