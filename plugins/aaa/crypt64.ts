/** What the kinds of crypt() have in common: their alphabet, and rounds that leave the event loop room. */

const ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** 24 bits, the lowest six first. @param chars how many of the four characters count */
export function encode24(high: number, middle: number, low: number, chars = 4): string {
  let bits = (high << 16) | (middle << 8) | low;
  let text = "";
  for (let i = 0; i < chars; i++) {
    text += ALPHABET[bits & 63];
    bits >>>= 6;
  }
  return text;
}

/** Lets other work run. */
export type Pause = () => Promise<void>;

/** A slice takes one to two milliseconds on the slower of the two runtimes. */
const ROUNDS_A_SLICE = 250;

/** Calls `round` for 0 to `count` - 1, with a pause now and then. */
export async function inSlices(count: number, round: (i: number) => void, pause: Pause): Promise<void> {
  for (let i = 0; i < count; i++) {
    if (i > 0 && i % ROUNDS_A_SLICE === 0) await pause();
    round(i);
  }
}
