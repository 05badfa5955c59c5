/**
 * lbmethod=ewma: of two candidates that chance names, the one from which an answer is to be expected sooner: its latency, times
 * the requests at hand. The latency is a moving average that weighs what was measured by its age, rises to a peak at once, and
 * fades while nothing is measured: so a member that was slow, or away, is asked again.
 * Source: Finagle, com.twitter.finagle.loadbalancer.PeakEwma ("peak EWMA"; also of Linkerd, ingress-nginx ewma.lua)
 */
import { defineModule, type LbMethod, lbmethod, type ProxyWorker, z } from "../../modules/mod.ts";
import { Draw } from "./draw.ts";

/** After so long a measurement counts 1/e. Source: Finagle's default decay time, ingress-nginx DECAY_TIME */
const DECAY_MS = 10_000;
/** Loads that differ by less are equal: what chance adds to a latency must not outweigh the lbfactors. */
const NOTABLE = 0.8;

export default defineModule({
  name: "mod_lbmethod_ewma",
  config: z.object({}),
  registerHooks(hooks) {
    hooks.provider(lbmethod, "ewma", ewma);
  },
});

class Latency {
  ms = 0;
  private sinceMs = 0;

  /** Its average at `nowMs`, faded. */
  at(nowMs: number): number {
    return this.ms * Math.exp((this.sinceMs - nowMs) / DECAY_MS);
  }

  measured(ms: number, nowMs: number): void {
    const old = Math.exp((this.sinceMs - nowMs) / DECAY_MS);
    this.ms = ms > this.ms ? ms : this.ms * old + ms * (1 - old);
    this.sinceMs = nowMs;
  }
}

function ewma(): LbMethod {
  const draw = new Draw();
  let latencies = new WeakMap<ProxyWorker, Latency>();
  let nowMs = 0;

  function load(member: ProxyWorker): number {
    const { busy, lbfactor } = member.s;
    const latency = latencies.get(member);
    // Nobody knows it yet: one request to find out, and no second one before that is answered.
    if (latency === undefined) return busy === 0 ? 0 : Number.MAX_VALUE;
    return latency.at(nowMs) * (1 + (busy * 100) / lbfactor);
  }

  return {
    finder(candidates, r) {
      const { clock } = r.conn.process;
      nowMs = clock.now();
      const place = draw.one(candidates, clock);
      const first = candidates[place]!;
      const second = candidates[draw.other(place, clock)]!;
      return load(second) < load(first) * NOTABLE ? second : first;
    },
    observe(member, latencyMs, now) {
      let latency = latencies.get(member);
      if (latency === undefined) latencies.set(member, (latency = new Latency()));
      latency.measured(latencyMs, now);
    },
    figure(member, r) {
      nowMs = r.conn.process.clock.now();
      const latency = latencies.get(member);
      const known = latency === undefined ? "not measured" : `latency ${latency.at(nowMs).toFixed(1)} ms`;
      return `${known}, busy ${member.s.busy}, lbfactor ${member.s.lbfactor}`;
    },
    reset() {
      latencies = new WeakMap();
    },
  };
}
