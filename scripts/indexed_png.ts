/** A picture as a PNG with a palette: a third of the size, for pages of few colours. Source: W3C PNG specification */
import { crc32, deflateSync } from "node:zlib";

const MOST_COLOURS = 256;
/** Low bits of each channel that are dropped: shades that nobody tells apart. */
const DROPPED_BITS = 3;

/** @param pixels RGBA; opaque */
export function indexedPng(pixels: Uint8Array, width: number, height: number): Uint8Array {
  const palette = paletteOf(pixels);
  const near = new Map<number, number>();
  const rows = new Uint8Array(height * (width + 1)); // each begins with its filter: none
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const colour = colourAt(pixels, 4 * (y * width + x));
      let index = near.get(colour);
      if (index === undefined) near.set(colour, (index = nearest(palette, colour)));
      rows[y * (width + 1) + 1 + x] = index;
    }
  }
  const head = new Uint8Array(13);
  const view = new DataView(head.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  head.set([8, 3, 0, 0, 0], 8); // eight bits, palette
  return Buffer.concat([
    Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", head),
    chunk("PLTE", Uint8Array.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 255, colour & 255]))),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", new Uint8Array(0)),
  ]);
}

function colourAt(pixels: Uint8Array, at: number): number {
  return (pixels[at]! << 16) | (pixels[at + 1]! << 8) | pixels[at + 2]!;
}

/** Of similar colours the most frequent one, of all these the most frequent ones. */
function paletteOf(pixels: Uint8Array): number[] {
  const counts = new Map<number, number>();
  for (let at = 0; at < pixels.length; at += 4) {
    const colour = colourAt(pixels, at);
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const mask = 0x010101 * (0xff & (0xff << DROPPED_BITS));
  const groups = new Map<number, { colour: number; most: number; total: number }>();
  for (const [colour, count] of counts) {
    const group = groups.get(colour & mask) ?? { colour, most: 0, total: 0 };
    group.total += count;
    if (count > group.most) [group.colour, group.most] = [colour, count];
    groups.set(colour & mask, group);
  }
  const sorted = [...groups.values()].sort((a, b) => b.total - a.total);
  return sorted.slice(0, MOST_COLOURS).map(({ colour }) => colour);
}

function nearest(palette: readonly number[], colour: number): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const [i, other] of palette.entries()) {
    let distance = 0;
    for (const shift of [0, 8, 16]) distance += (((colour >> shift) & 255) - ((other >> shift) & 255)) ** 2;
    if (distance < least) [best, least] = [i, distance];
  }
  return best;
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  framed.set(body, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}
