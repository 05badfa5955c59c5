/** Numbers, sizes and times as httpd's status page writes them. */

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** "%g": six digits, no zeros at the end, and none before the point. Source: APR apr_snprintf */
export function shortest(value: number): string {
  if (value === 0) return "0";
  const rounded = Number(value.toPrecision(6));
  const exponent = Math.floor(Math.log10(Math.abs(rounded)));
  if (exponent >= -4 && exponent < 6) return String(rounded).replace(/^(-?)0\./, "$1.");
  const digits = String(Number((rounded / 10 ** exponent).toPrecision(6)));
  return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

export function byteText(bytes: number): string {
  if (bytes < 5 * 1024) return `${Math.floor(bytes)} B`;
  if (bytes < 1024 ** 2 / 2) return `${(bytes / 1024).toFixed(1)} kB`;
  if (bytes < 1024 ** 3 / 2) return `${(bytes / 1024 ** 2).toFixed(1)} MB`;
  return `${(bytes / 1024 ** 3).toFixed(1)} GB`;
}

export function kilobyteText(kilobytes: number): string {
  if (kilobytes < 1024) return `${kilobytes} kB`;
  if (kilobytes < 1024 ** 2) return `${(kilobytes / 1024).toFixed(1)} MB`;
  return `${(kilobytes / 1024 ** 2).toFixed(1)} GB`;
}

/** "Saturday, 21-Nov-2026 16:55:06 UTC" @param us microseconds since 1970 */
export function longTime(us: number): string {
  const date = new Date(us / 1000);
  const two = (n: number) => String(n).padStart(2, "0");
  return (
    `${DAYS[date.getUTCDay()]}, ${two(date.getUTCDate())}-${MONTHS[date.getUTCMonth()]}-${date.getUTCFullYear()} ` +
    `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} UTC`
  );
}

/** "1 day 2 hours 3 minutes 4 seconds", without what is zero. */
export function durationText(seconds: number): string {
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), "day"],
    [Math.floor(seconds / 3600) % 24, "hour"],
    [Math.floor(seconds / 60) % 60, "minute"],
    [seconds % 60, "second"],
  ];
  return parts
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}${count === 1 ? "" : "s"}`)
    .join(" ");
}
