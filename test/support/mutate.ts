/** Chance that can be repeated, and what it does to bytes. */

export class Chance {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** In [0, 1). mulberry32. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** 0 to `below` - 1. */
  int(below: number): number {
    return Math.floor(this.next() * below);
  }

  of<T>(list: readonly T[]): T {
    return list[this.int(list.length)]!;
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.int(times) === 0;
  }
}

/** What parsers stumble over. */
const PIECES: readonly string[] = [
  ...'\r|\n|\r\n|\r\n\r\n|\r\r\n|\0| |\t|\x0b|\x7f|\xa0|\xff|:|,|;|"|%|/|?|#|0|1|5|a|ff|-|+|x'.split("|"),
  ...["Content-Length: 5\r\n", "Content-Length: 0\r\n", "Content-Length : 1\r\n", "Transfer-Encoding: chunked\r\n"],
  ...["Transfer-Encoding: x\r\n", " chunked\r\n", "Connection: close\r\n", "Connection: Content-Length\r\n"],
  ...["Host: b\r\n", "Upgrade: h2c\r\n", "Expect: 100-continue\r\n", "X-A: 1\r\n", "Keep-Alive: 1\r\n", " folded\r\n"],
  ...["0\r\n\r\n", "5\r\nhello\r\n", "3;e=1\r\nabc\r\n", "GET /b/y HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n"],
  ...["HTTP/1.1 103 E\r\n\r\n", "HTTP/1.0", "HTTP/1.1", "HEAD", "POST", "http://a"],
];

/** Some small change, at a place of chance. @param other what parts may be taken from */
export function mutate(text: string, other: string, chance: Chance): string {
  const at = chance.int(text.length + 1);
  const end = Math.min(text.length, at + 1 + chance.int(chance.once(4) ? 40 : 3));
  const before = text.slice(0, at);
  const after = text.slice(at);
  switch (chance.int(8)) {
    case 0:
      return before + String.fromCharCode(chance.int(256)) + text.slice(at + 1);
    case 1:
      return before + text.slice(end);
    case 2:
      return before + text.slice(at, end) + after;
    case 3: {
      const from = chance.int(other.length + 1);
      return before + other.slice(from, from + 1 + chance.int(60)) + after;
    }
    case 4:
      return atLine(text, chance, chance.of(PIECES));
    case 5:
      return text.replace(/\d+/g, (digits) => (chance.once(4) ? String(Number(digits) + chance.int(5) - 2) : digits));
    case 6:
      return atLine(text, chance, "");
    default:
      return before + chance.of(PIECES) + after;
  }
}

/** Puts a piece before some line; an empty one takes the line's end away. */
function atLine(text: string, chance: Chance, piece: string): string {
  const ends = [...text.matchAll(/\r\n/g)].map((match) => match.index);
  if (ends.length === 0) return piece + text;
  const end = chance.of(ends);
  return piece === ""
    ? text.slice(0, end) + text.slice(end + 1 + chance.int(2))
    : text.slice(0, end + 2) + piece + text.slice(end + 2);
}
