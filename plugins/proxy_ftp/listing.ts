/**
 * A listing as a page: what the server sends for LIST, with links.
 * Source: httpd modules/proxy/mod_proxy_ftp.c proxy_send_dir_filter
 */
import { type Bytes, escapeHtml, escapeUri, type RequestRec, serverOrigin, signature } from "../../modules/mod.ts";
import { decode, hasWildcard } from "./path.ts";

/** What is longer than a line can be is dropped. Source: httpd MAX_STRING_LEN */
const MAX_LINE_BYTES = 8191;
const LF = 10;

export class Listing {
  private readonly r: RequestRec;
  /** A line that is not complete. */
  private rest = "";

  constructor(r: RequestRec) {
    this.r = r;
  }

  /**
   * The page up to its first entry.
   * @param pwd what the server calls the directory; null: it did not say
   * @param readme what it said to the login
   */
  head(pwd: string | null, readme: string): string {
    const origin = serverOrigin(this.r);
    const { root, path, wildcard } = askedFor(this.r);
    const url = `${origin}${root}${path}`;
    let heading = `<a href="/">${escapeHtml(origin)}</a>/`;
    if (root !== "") heading += '<a href="/%2f/">%2f</a>/';
    for (let end = path.indexOf("/", 1); end > 0; end = path.indexOf("/", end + 1)) {
      const name = path.slice(path.lastIndexOf("/", end - 1) + 1, end);
      if (name !== "") heading += `<a href="${root}${link(path.slice(0, end))}/">${escapeHtml(name)}</a>/`;
    }
    const place = pwd === null || path.startsWith(pwd) ? "" : `(${escapeHtml(pwd)})\n\n`;
    return (
      '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd">\n' +
      `<html>\n <head>\n  <title>${escapeHtml(url)}</title>\n<base href="${escapeHtml(origin)}${root}${link(path)}">\n </head>\n` +
      ` <body>\n  <h2>Directory of ${heading}${escapeHtml(wildcard)}</h2>\n\n${place}  <hr />\n\n` +
      `<pre>${escapeHtml(readme)}\n</pre>\n\n<hr />\n\n<pre>\n`
    );
  }

  /** Bytes [start, end) of what the server sends; answers the lines that they complete. */
  lines(bytes: Bytes, start: number, end: number): string {
    let out = "";
    let from = start;
    for (let at = start; at < end; at++) {
      if (bytes[at] !== LF) continue;
      out += this.line(this.rest + bytes.latin1Slice(from, at));
      this.rest = "";
      from = at + 1;
    }
    this.rest = (this.rest + bytes.latin1Slice(from, end)).slice(0, MAX_LINE_BYTES);
    return out;
  }

  /** The end of the page. What is no whole line was cut short, and does not count. */
  foot(): string {
    return `</pre>\n\n  <hr />\n\n  ${signature(this.r, "")}\n\n </body>\n</html>\n`;
  }

  private line(written: string): string {
    const line = written.slice(0, MAX_LINE_BYTES).replace(/\r$/, "");
    const html = entryHtml(line);
    if (html === null) {
      this.r.log.warn("proxy_ftp", "AH01034", `proxy_ftp: could not parse line ${line}`, this.r);
      return "";
    }
    return `${html}\n`;
  }
}

/** A line of a listing with a link, if it tells of a file; null: it should, and does not. */
export function entryHtml(line: string): string | null {
  const kind = line.charAt(0);
  const arrow = kind === "l" ? line.indexOf(" -> ") : -1;
  if (arrow >= 0) {
    const start = line.lastIndexOf(" ", arrow - 1) + 1;
    const name = line.slice(start, arrow);
    return `${escapeHtml(start === 0 ? name : line.slice(0, start - 1))} <a href="${link(name)}">${escapeHtml(line.slice(start))}</a>`;
  }
  const isDos = kind >= "0" && kind <= "9";
  if (kind === "d" || kind === "-" || kind === "l" || isDos) {
    const entry = isDos ? line.replace("<", "[").replace(">", "]") : line;
    const blank = entry.lastIndexOf(" ");
    if (blank < 0) return null;
    const name = entry.slice(blank + 1);
    const slash = kind === "d" || name === "." || name === ".." ? "/" : "";
    return `${escapeHtml(entry.slice(0, blank))} <a href="${link(name)}${slash}">${escapeHtml(name)}</a>`;
  }
  const sized = /^ *\d+ +([^ ]+)$/.exec(line);
  if (sized === null) return escapeHtml(line);
  const name = sized[1]!;
  return `${escapeHtml(line.slice(0, line.length - name.length))}<a href="${link(name)}">${escapeHtml(name)}</a>`;
}

function link(path: string): string {
  return escapeHtml(escapeUri(path));
}

/** The path of the request as the page shows it: decoded, ending in a slash, without a wildcard at the end. */
function askedFor(r: RequestRec): { readonly root: string; readonly path: string; readonly wildcard: string } {
  const type = r.encodedUri.indexOf(";type=");
  const asked = type < 0 ? r.encodedUri : r.encodedUri.slice(0, type);
  let path = decode(asked).replace(/^\/+/, "/");
  let wildcard = "";
  const slash = path.lastIndexOf("/");
  if (hasWildcard(path.slice(slash))) {
    wildcard = path.slice(slash + 1);
    path = path.slice(0, slash);
  }
  return { root: /^\/%2f/i.test(asked) ? "/%2f" : "", path: path.replace(/\/*$/, "/"), wildcard };
}
