/**
 * strftime in the C locale, and the offset of local time.
 */

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

/** "Nov" for 10. */
export function monthName(month: number): string {
  return MONTHS[month]!.slice(0, 3);
}

export function pad(n: number, width = 2, fill = "0"): string {
  return String(n).padStart(width, fill);
}

/** "+0100": how far local time is ahead at that time. */
export function zoneOffset(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${pad(Math.floor(size / 60))}${pad(size % 60)}`;
}

/** The conversions of C and POSIX; one that is none stays as it is. */
export function strftime(format: string, date: Date): string {
  return format.replace(/%[EO_0^#-]?([a-zA-Z%])/g, (whole, letter: string) => CONVERSIONS[letter]?.(date) ?? whole);
}

const CONVERSIONS: Readonly<Record<string, (d: Date) => string>> = {
  a: (d) => DAYS[d.getDay()]!.slice(0, 3),
  A: (d) => DAYS[d.getDay()]!,
  b: (d) => monthName(d.getMonth()),
  B: (d) => MONTHS[d.getMonth()]!,
  c: (d) => strftime("%a %b %e %H:%M:%S %Y", d),
  C: (d) => pad(Math.floor(d.getFullYear() / 100)),
  d: (d) => pad(d.getDate()),
  D: (d) => strftime("%m/%d/%y", d),
  e: (d) => pad(d.getDate(), 2, " "),
  F: (d) => strftime("%Y-%m-%d", d),
  g: (d) => pad(isoWeek(d).year % 100),
  G: (d) => String(isoWeek(d).year),
  h: (d) => monthName(d.getMonth()),
  H: (d) => pad(d.getHours()),
  I: (d) => pad(d.getHours() % 12 || 12),
  j: (d) => pad(dayOfYear(d) + 1, 3),
  k: (d) => pad(d.getHours(), 2, " "),
  l: (d) => pad(d.getHours() % 12 || 12, 2, " "),
  m: (d) => pad(d.getMonth() + 1),
  M: (d) => pad(d.getMinutes()),
  n: () => "\n",
  p: (d) => (d.getHours() < 12 ? "AM" : "PM"),
  P: (d) => (d.getHours() < 12 ? "am" : "pm"),
  r: (d) => strftime("%I:%M:%S %p", d),
  R: (d) => strftime("%H:%M", d),
  s: (d) => String(Math.floor(d.getTime() / 1000)),
  S: (d) => pad(d.getSeconds()),
  t: () => "\t",
  T: (d) => strftime("%H:%M:%S", d),
  u: (d) => String(d.getDay() || 7),
  U: (d) => pad(Math.floor((dayOfYear(d) + 7 - d.getDay()) / 7)),
  V: (d) => pad(isoWeek(d).week),
  w: (d) => String(d.getDay()),
  W: (d) => pad(Math.floor((dayOfYear(d) + 7 - ((d.getDay() + 6) % 7)) / 7)),
  x: (d) => strftime("%m/%d/%y", d),
  X: (d) => strftime("%H:%M:%S", d),
  y: (d) => pad(d.getFullYear() % 100),
  Y: (d) => String(d.getFullYear()),
  z: (d) => zoneOffset(d),
  Z: (d) => zoneName(d),
  "%": () => "%",
};

/** From 0. */
function dayOfYear(d: Date): number {
  const start = Date.UTC(d.getFullYear(), 0, 1);
  return Math.round((Date.UTC(d.getFullYear(), d.getMonth(), d.getDate()) - start) / 86_400_000);
}

/** The week of ISO 8601 is that of its Thursday. */
function isoWeek(d: Date): { year: number; week: number } {
  const thursday = new Date(d.getFullYear(), d.getMonth(), d.getDate() + 4 - (d.getDay() || 7));
  return { year: thursday.getFullYear(), week: Math.floor(dayOfYear(thursday) / 7) + 1 };
}

/** "CET", or "+0100" where the host has no shorter name. */
function zoneName(d: Date): string {
  const name = /\(([^)]+)\)$/.exec(d.toString())?.[1];
  if (name === undefined) return zoneOffset(d);
  if (name === "Coordinated Universal Time") return "UTC";
  return name.includes(" ") ? name.replace(/(\w)\w*\s*/g, "$1") : name;
}
