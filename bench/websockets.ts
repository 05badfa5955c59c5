/**
 * WebSockets of many clients, with messages of 1 KB and of 16 MB both ways while half of the peers read slowly: whether each byte
 * comes back, and what memory the proxy has before, at most, and after.
 *
 *     bun bench/websockets.ts bun|deno net|fetch [--sockets 500] [--small 20] [--large 1] [--size 16777216] [--in-flight 500]
 */
import { readFileSync } from "node:fs";
import { type Runtime, startSluice } from "../test/support/sluice.ts";
import { runLoad, startEcho } from "../test/support/web_socket_load.ts";

const [runtime = "bun", front = "net"] = process.argv.slice(2);
const option = (name: string, otherwise: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};

const sockets = option("sockets", 500);
const echo = await startEcho();
const sluice = await startSluice(
  `Listen 127.0.0.1:PORT\nFront ${front}\nServerName load.test\nTimeout 900\nProxyPass / ws://127.0.0.1:${echo.port}/`,
  { runtime: runtime as Runtime },
);

function memory(): number {
  return Math.round(Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${sluice.pid}/status`, "utf8"))![1]) / 1024);
}

await runLoad({ port: sluice.port, sockets: 8, small: 5, large: 0, smallSize: 1024, largeSize: 0, inFlight: 1 });
const before = memory();
let peak = before;
const look = setInterval(() => {
  peak = Math.max(peak, memory());
}, 50);
const largeSize = option("size", 16 * 1024 * 1024);
const large = option("large", 1);
const { echoed, errors, ms } = await runLoad({
  port: sluice.port,
  sockets,
  small: option("small", 20),
  large,
  smallSize: 1024,
  largeSize,
  inFlight: option("in-flight", 500),
});
clearInterval(look);
peak = Math.max(peak, memory());
await new Promise((resolve) => setTimeout(resolve, 3000));
const after = memory();
console.log(
  `${runtime} ${front}: ${sockets} sockets, ${echoed} messages back (${sockets * large} of ${largeSize} bytes) in ${(ms / 1000).toFixed(1)} s; RSS ${before} MB before, ${peak} at most, ${after} after; ${errors.length} errors`,
);
for (const error of errors.slice(0, 10)) console.log(`  ${error}`);
await sluice.stop();
echo.close();
process.exit(errors.length === 0 ? 0 : 1);
