/**
 * What `promtool check metrics` and the OpenMetrics specification ask of an exposition. Answers what is wrong, a line each.
 */
const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/;
/** Units that have a base unit, which a name must have instead. */
const NO_BASE_UNIT = /_(milliseconds|ms|minutes|hours|kilobytes|kb|mb|percent)(_|$)/;
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: ["_total"],
  gauge: [""],
  histogram: ["_bucket", "_sum", "_count"],
  info: ["_info"],
};

interface Family {
  readonly type: string;
  readonly samples: { suffix: string; labels: Map<string, string>; value: number }[];
}

export function lintMetrics(text: string, openMetrics: boolean): string[] {
  const wrong: string[] = [];
  const families = new Map<string, Family>();
  const series = new Set<string>();
  let help = "";
  let current = "";
  const lines = text.split("\n");
  if (lines.pop() !== "") wrong.push("the last line has no end");
  if (openMetrics && lines.pop() !== "# EOF") wrong.push("no # EOF at the end");
  for (const line of lines) {
    const meta = /^# (HELP|TYPE|UNIT) (\S+) (.+)$/.exec(line);
    if (meta !== null) {
      const [, kind, name = "", rest = ""] = meta;
      if (kind === "HELP") help = name;
      else if (kind === "UNIT" && !name.endsWith(`_${rest}`)) wrong.push(`${name} does not end in its unit ${rest}`);
      else if (kind === "TYPE") {
        if (families.has(name)) wrong.push(`${name} comes twice`);
        if (help !== name) wrong.push(`${name} has no help`);
        if (!NAME.test(name)) wrong.push(`${name} is no name`);
        if (NO_BASE_UNIT.test(name)) wrong.push(`${name} is not in base units`);
        if (rest === "counter" && name.endsWith("_total") === openMetrics) wrong.push(`${name}: _total is misplaced`);
        if (rest !== "counter" && name.endsWith("_total")) wrong.push(`${name} is no counter`);
        if (/_(count|sum|bucket)$/.test(name)) wrong.push(`${name} ends like a part of a histogram`);
        families.set(name, { type: rest, samples: [] });
        current = name;
      }
      continue;
    }
    const sample = SAMPLE.exec(line);
    if (sample === null) {
      wrong.push(`cannot be read: ${line}`);
      continue;
    }
    const [, name = "", labelText = "", value = ""] = sample;
    const family = families.get(current);
    const suffix = name.slice(current.length);
    const suffixes = openMetrics || family?.type === "histogram" ? SUFFIXES[family?.type ?? ""] : [""];
    if (!name.startsWith(current) || !suffixes?.includes(suffix)) wrong.push(`${name} is not of ${current}`);
    const labels = readLabels(labelText);
    if (labels === null) wrong.push(`labels of ${line}`);
    if (Number.isNaN(Number(value.replace("+Inf", "Infinity")))) wrong.push(`value of ${line}`);
    const key = `${name} ${[...(labels ?? [])].sort().join()}`;
    if (series.has(key)) wrong.push(`twice: ${line}`);
    series.add(key);
    if (family?.type === "counter" && Number(value) < 0) wrong.push(`negative: ${line}`);
    family?.samples.push({ suffix, labels: labels ?? new Map(), value: Number(value) });
  }
  for (const [name, family] of families) if (family.type === "histogram") wrong.push(...lintHistogram(name, family));
  return wrong;
}

function readLabels(text: string): Map<string, string> | null {
  const labels = new Map<string, string>();
  for (let rest = text; rest !== ""; ) {
    const match = LABEL.exec(rest);
    if (match === null || labels.has(match[1]!)) return null;
    labels.set(match[1]!, match[2]!);
    rest = rest.slice(match[0].length);
  }
  return labels;
}

/** Of each series: buckets grow, end with +Inf, and agree with the count. */
function lintHistogram(name: string, { samples }: Family): string[] {
  const wrong: string[] = [];
  const buckets = new Map<string, { bounds: number[]; counts: number[] }>();
  const keyOf = (labels: Map<string, string>): string => [...labels].filter(([label]) => label !== "le").join();
  for (const { suffix, labels, value } of samples) {
    const key = keyOf(labels);
    const known = buckets.get(key) ?? { bounds: [], counts: [] };
    buckets.set(key, known);
    if (suffix === "_bucket") {
      known.bounds.push(Number((labels.get("le") ?? "").replace("+Inf", "Infinity")));
      known.counts.push(value);
    }
    if (suffix === "_count" && known.counts.at(-1) !== value) wrong.push(`${name}{${key}}: count is not that of +Inf`);
  }
  for (const [key, { bounds, counts }] of buckets) {
    const grows = (values: number[]): boolean => values.every((value, i) => i === 0 || value >= values[i - 1]!);
    if (!grows(bounds) || !grows(counts)) wrong.push(`${name}{${key}}: buckets do not grow`);
    if (bounds.at(-1) !== Number.POSITIVE_INFINITY) wrong.push(`${name}{${key}}: no +Inf`);
  }
  return wrong;
}
