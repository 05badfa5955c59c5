/** Sets of bytes, as PCRE's classes in the C locale, and their spelling in a RegExp. The ground that regex.ts stands on. */

/** 256 members, each 0 or 1. */
export type ByteSet = Uint8Array;

/** `[:name:]` */
export const POSIX: Readonly<Record<string, RegExp>> = {
  __proto__: null as never,
  alpha: /[A-Za-z]/,
  lower: /[a-z]/,
  upper: /[A-Z]/,
  alnum: /[A-Za-z0-9]/,
  ascii: /[\x00-\x7f]/,
  blank: /[ \t]/,
  cntrl: /[\x00-\x1f\x7f]/,
  digit: /[0-9]/,
  graph: /[\x21-\x7e]/,
  print: /[\x20-\x7e]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[\t-\r ]/,
  word: /\w/,
  xdigit: /[0-9A-Fa-f]/,
};

/** `\d` and so on; the upper-case letter is the complement. */
export const SETS: Readonly<Record<string, RegExp>> = {
  __proto__: null as never,
  d: /[0-9]/,
  w: /\w/,
  s: /[\t-\r ]/,
  h: /[\t \xa0]/,
  v: /[\n-\r\x85]/,
};

export function byteSet(chars: RegExp, negated: boolean): ByteSet {
  const set = new Uint8Array(256);
  for (let i = 0; i < 256; i++) set[i] = chars.test(String.fromCharCode(i)) !== negated ? 1 : 0;
  return set;
}

export function foldCase(set: ByteSet): void {
  for (let upper = 0x41; upper <= 0x5a; upper++) {
    if (set[upper] === 1 || set[upper + 0x20] === 1) set[upper] = set[upper + 0x20] = 1;
  }
}

export function isLetter(byte: number): boolean {
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}

export function printBytes(set: ByteSet): string {
  let count = 0;
  for (const member of set) count += member;
  if (count === 256) return "[^]";
  if (count === 0) return "[]";
  const wanted = count > 128 ? 0 : 1; // the shorter of the set and its complement
  let out = wanted === 0 ? "[^" : "[";
  for (let i = 0; i < 256; i++) {
    if (set[i] !== wanted) continue;
    let end = i;
    while (end < 255 && set[end + 1] === wanted) end++;
    out += printByte(i);
    if (end > i + 1) out += "-";
    if (end > i) out += printByte(end);
    i = end;
  }
  return `${out}]`;
}

export function printByte(byte: number): string {
  if (byte < 0x20 || byte > 0x7e) return `\\x${(byte < 16 ? "0" : "") + byte.toString(16)}`;
  const char = String.fromCharCode(byte);
  return /[\^$\\.*+?()[\]{}|/-]/.test(char) ? `\\${char}` : char;
}
