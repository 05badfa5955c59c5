import assert from "node:assert/strict";
import { test } from "node:test";
import { WorkerMeter } from "../../../modules/proxy/meter.ts";
import { exposition, Family } from "../../../plugins/prometheus/exposition.ts";
import { lintMetrics } from "../../support/metrics_lint.ts";

const requests = new Family("counter", "sluice_requests", "Requests");
requests.add({ member: 'a"b\\c\nd' }, 3);
const build = new Family("info", "sluice_build", "Build");
build.add({ version: "1" }, 1);
const took = new Family("histogram", "sluice_took_seconds", "How long");
took.addHistogram({}, [0.5, 1], [2, 0, 1], 3.5);

test("exposition() writes OpenMetrics, and Prometheus' own format", () => {
  assert.equal(
    exposition([requests, build, took], true),
    `# HELP sluice_requests Requests
# TYPE sluice_requests counter
sluice_requests_total{member="a\\"b\\\\c\\nd"} 3
# HELP sluice_build Build
# TYPE sluice_build info
sluice_build_info{version="1"} 1
# HELP sluice_took_seconds How long
# TYPE sluice_took_seconds histogram
# UNIT sluice_took_seconds seconds
sluice_took_seconds_bucket{le="0.5"} 2
sluice_took_seconds_bucket{le="1.0"} 2
sluice_took_seconds_bucket{le="+Inf"} 3
sluice_took_seconds_sum 3.5
sluice_took_seconds_count 3
# EOF
`,
  );
  const own = exposition([requests, build], false);
  assert.match(own, /# TYPE sluice_requests_total counter\n/);
  assert.match(own, /# TYPE sluice_build_info gauge\n/);
  for (const openMetrics of [true, false]) {
    assert.deepEqual(lintMetrics(exposition([requests, build, took], openMetrics), openMetrics), []);
  }
});

test("lintMetrics() finds what is wrong", () => {
  const head = "# HELP x Help\n# TYPE x";
  for (const [text, complaint] of [
    [`${head} counter\nx_total 1\nx_total 1\n# EOF\n`, /twice/],
    [`${head} counter\nx 1\n# EOF\n`, /is not of x/],
    [`${head}_total counter\nx_total 1\n# EOF\n`, /misplaced|no help/],
    [`${head} gauge\nx 1\n`, /no # EOF/],
    ["# TYPE x gauge\nx 1\n# EOF\n", /no help/],
    [`${head} gauge\nx{a="b"c} 1\n# EOF\n`, /labels/],
    ["# HELP x_ms H\n# TYPE x_ms gauge\nx_ms 1\n# EOF\n", /base units/],
    [`${head} histogram\nx_bucket{le="1"} 2\nx_bucket{le="+Inf"} 1\nx_sum 1\nx_count 1\n# EOF\n`, /do not grow/],
    [`${head} histogram\nx_bucket{le="1"} 1\nx_sum 1\nx_count 1\n# EOF\n`, /no \+Inf/],
  ] as const) {
    assert.match(lintMetrics(text, true).join("\n"), complaint, text);
  }
});

test("a histogram puts a time into the first bucket that holds it", () => {
  const meter = new WorkerMeter();
  for (const ms of [0, 0.5, 0.6, 60_000, 60_001, -1]) meter.connected(ms);
  const { buckets } = meter.read().connect;
  assert.deepEqual([buckets[0], buckets[1], buckets.at(-2), buckets.at(-1)], [3, 1, 1, 1]);
});
