/**
 * What an election costs: nanoseconds of CPU time, for each lbmethod, among 3, 100 and 1,000 members. The whole of it is measured,
 * from the balancer's URL to the member's, with nothing written to the log.
 *
 *     bun bench/election.ts [METHOD ...]
 *     deno run -A bench/election.ts [METHOD ...]
 */
import { cpus, release } from "node:os";
import { lbmethod } from "../modules/proxy/lbmethod.ts";
import { elect } from "../modules/proxy_balancer/elect.ts";
import { BalancerFixture } from "../test/support/balancer.ts";

const SIZES = [3, 100, 1000];
const ROUNDS = 7;
const ROUND_MS = 150;
/** Members that are busy differ from each other as they do in a server. */
const AT_HAND = 50;

/** `process.argv` on both: Deno has the node global. */
const wanted = process.argv.slice(2);
const versions = process.versions as Record<string, string | undefined>;
const runtime = versions.bun === undefined ? `deno ${versions.deno}` : `bun ${versions.bun}`;
console.log(
  `${runtime}, ${cpus()[0]?.model}, Linux ${release()}; ns of CPU an election, median of ${ROUNDS} rounds (least, greatest)`,
);

for (const method of new BalancerFixture([""]).process.providers.names(lbmethod)) {
  if (wanted.length > 0 && !wanted.includes(method)) continue;
  const figures = SIZES.map((size) => `${size}: ${measure(method, size)}`);
  console.log(`${method.padEnd(11)} ${figures.map((figure) => figure.padEnd(26)).join("")}`.trimEnd());
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function measure(method: string, size: number): string {
  const f = new BalancerFixture(Array(size).fill(""), `lbmethod=${method}`, "warn");
  f.files.set("/hb.dat", f.balancer.members.map(({ host }) => `${host} ready=50&busy=1&lastseen=1\n`).join(""));
  for (let i = 0; i < AT_HAND; i++) elect(f.request(), f.attempt());
  const r = f.request();
  const attempt = f.attempt();
  const once = (): void => {
    attempt.url = "balancer://app/";
    elect(r, attempt);
    attempt.worker!.s.read += 1000;
    attempt.release();
  };
  const rounds: number[] = [];
  let batch = 100;
  for (let round = -2; round < ROUNDS; round++) {
    const start = cpuUs();
    let done = 0;
    while (cpuUs() - start < ROUND_MS * 1000) {
      for (let i = 0; i < batch; i++) once();
      done += batch;
    }
    const ns = ((cpuUs() - start) * 1000) / done;
    batch = Math.max(1, Math.round(1e6 / ns));
    if (round >= 0) rounds.push(ns); // the first two warm up
  }
  rounds.sort((a, b) => a - b);
  const [least, median, greatest] = [rounds[0]!, rounds[ROUNDS >> 1]!, rounds.at(-1)!].map(Math.round);
  return `${median} (${least}, ${greatest})`;
}
