/**
 * Values with units, as schemas. Each yields a plain number.
 */
import * as z from "../core/schema.ts";

const MS_PER: Readonly<Record<string, number>> = { ms: 1, s: 1000, mi: 60_000, h: 3_600_000 };

/** httpd counts microseconds in 64 bits. */
const MAX_MS = 2 ** 63 / 1000;

/**
 * Milliseconds of "5", "5s", "500ms", "2min", "1h"; undefined if it is none of these. The first letters of a unit count, in
 * lower case; without digits it is 0.
 * Source: httpd server/util.c ap_timeout_parameter_parse
 */
export function parseInterval(text: string, unit: "ms" | "s"): number | undefined {
  const digits = /^\s*[+-]?\d+/.exec(text)?.[0] ?? "";
  const suffix = text.slice(digits.length);
  const letters = suffix === "" ? unit : /^(?:ms|s|mi|h)/.exec(suffix)?.[0];
  if (letters === undefined) return undefined;
  const ms = Number(digits) * MS_PER[letters]!;
  return ms >= 0 && ms < MAX_MS ? ms : undefined;
}

/**
 * Milliseconds where httpd 2.4 reads an integer and drops what follows, so that timeout=500ms is 500 seconds. A unit counts
 * here (a listed difference), in any case; anything else that follows is dropped, as there.
 */
export function intervalOrInt(text: string, unit: "ms" | "s"): number {
  return parseInterval(text.toLowerCase(), unit) ?? atoi(text) * MS_PER[unit]!;
}

/** The leading digits, 0 without any: what httpd reads where it calls atoi. */
export function atoi(text: string): number {
  return Number(/^\s*([+-]?\d+)/.exec(text)?.[1] ?? 0);
}

/**
 * A duration in milliseconds.
 * @param unit of a bare number
 * @param least milliseconds
 */
export function interval(unit: "ms" | "s", least = 0) {
  return z.string().transform((text, ctx) => {
    const ms = parseInterval(text, unit);
    if (ms !== undefined && ms >= least) return ms;
    const what = ms === undefined ? "unit must be ms, s, min or h" : `must be at least ${least} ms`;
    ctx.addIssue({ code: "custom", message: `Cannot parse "${text}": ${what}` });
    return z.NEVER;
  });
}

/** A whole number in [least, most]; a size may have the unit KB, MB or GB (of 1024). */
export function whole(least: number, most = Number.MAX_SAFE_INTEGER) {
  return z.string().transform((text, ctx) => {
    const match = /^(-?\d+)\s*(?:([kmg])i?b?)?$/i.exec(text);
    const factor = { k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[match?.[2]?.toLowerCase() ?? ""] ?? 1;
    const value = match === null ? Number.NaN : Number(match[1]) * factor;
    if (value >= least && value <= most) return value;
    ctx.addIssue({ code: "custom", message: `"${text}" is not a whole number from ${least} to ${most}` });
    return z.NEVER;
  });
}
