/**
 * %t: when the request came, or ended.
 * Source: httpd modules/loggers/mod_log_config.c, log_request_time
 */
import { monthName, pad, type RequestRec, strftime, zoneOffset } from "../../modules/mod.ts";

type TimeText = (us: number) => string;

/** `begin:` or `end:`, then a word of its own or a format of strftime. */
export function timeItem(arg: string): (r: RequestRec) => string {
  const match = /^(begin|end)(?::(.*)|)$/s.exec(arg);
  const text = textOf(match === null ? arg : (match[2] ?? ""));
  if (match?.[1] === "end") return (r) => text(r.server.process.clock.wallUs());
  return (r) => text(r.requestTimeUs);
}

function textOf(format: string): TimeText {
  switch (format) {
    case "":
      return commonTime;
    case "sec":
      return (us) => String(Math.floor(us / 1_000_000));
    case "msec":
      return (us) => String(Math.floor(us / 1000));
    case "usec":
      return (us) => String(us);
    case "msec_frac":
      return (us) => pad(Math.floor((us % 1_000_000) / 1000), 3);
    case "usec_frac":
      return (us) => pad(us % 1_000_000, 6);
    default:
      return eachSecond((date) => strftime(format, date));
  }
}

/** "[20/Nov/2026:10:28:34 +0000]". */
const commonTime = eachSecond(
  (d) =>
    `[${pad(d.getDate())}/${monthName(d.getMonth())}/${d.getFullYear()}:` +
    `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())} ${zoneOffset(d)}]`,
);

/** Made once a second: on a busy server most lines share it. */
function eachSecond(make: (date: Date) => string): TimeText {
  let second = -1;
  let text = "";
  return (us) => {
    const at = Math.floor(us / 1_000_000);
    if (at !== second) {
      second = at;
      text = make(new Date(at * 1000));
    }
    return text;
  };
}
