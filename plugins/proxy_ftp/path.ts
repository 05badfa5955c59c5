/**
 * The path of an ftp:// URL: directories to change into, a last name, and what ";type=" wants. And the characters that FTP
 * servers take for wildcards, or for the end of a command.
 * Source: RFC 1738 section 3.2.2; httpd modules/proxy/mod_proxy_ftp.c
 */

/** What TYPE is told: ASCII, image (binary), EBCDIC. */
export type TransferType = "A" | "I" | "E";

export interface FtpPath {
  /** The path began with "/%2f": it starts at the root, not where the login leads to. */
  readonly fromRoot: boolean;
  /** Decoded, in the order in which CWD gets them. */
  readonly directories: readonly string[];
  /** Decoded. "": the path ends with a directory. */
  readonly name: string;
  readonly type: TransferType;
  /** ";type=d" */
  readonly wantsListing: boolean;
}

/** Takes a path and query apart, which are encoded. A string says why that cannot be: 400; "" needs no reason. */
export function parseFtpPath(target: string): FtpPath | string {
  const query = target.indexOf("?");
  let path = target.slice(1, query < 0 ? target.length : query);
  if (!isSendable(path)) return "";

  let type: TransferType = "I";
  let wantsListing = false;
  const semicolon = path.indexOf(";");
  if (semicolon >= 0) {
    const parameter = path.slice(semicolon + 1);
    path = path.slice(0, semicolon);
    const letter = /^type=([a-z])/i.exec(parameter)?.[1]?.toUpperCase();
    wantsListing = letter === "D";
    if (wantsListing) type = "A";
    else if (letter === "A" || letter === "I" || letter === "E") type = letter;
    else if (letter !== undefined) {
      return `ftp proxy supports only types 'a', 'i', or 'e': "${parameter}" is invalid.`;
    }
  }

  const fromRoot = /^%2f/i.test(path);
  if (fromRoot) path = path.replace(/^%2f\/*/i, "");
  const parts = path.split("/").map(decode);
  if (parts.some((part) => part.includes("/"))) return "Use of /%2f is only allowed at the base directory";
  const name = parts.pop()!;
  return { fromRoot, directories: parts, name, type, wantsListing };
}

/** Whether an encoded text can be an argument: no line end or NUL, which end a command, and nothing beyond ASCII. */
export function isSendable(text: string): boolean {
  const decoded = decode(text);
  for (let i = 0; i < decoded.length; i++) {
    const c = decoded.charCodeAt(i);
    if (c === 0 || c === 10 || c === 13 || c > 127) return false;
  }
  return true;
}

/** "%41" and "A" are the same; what is no escape stays. */
export function decode(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** Whether a server might take a name for a pattern. As in httpd a backslash changes nothing here. */
export function hasWildcard(name: string): boolean {
  return /[*?[{~]/.test(name);
}

export function escapeWildcards(name: string): string {
  return name.replace(/[*?[{~]/g, "\\$&");
}
