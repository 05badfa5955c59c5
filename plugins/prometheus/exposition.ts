/**
 * Metrics as text: OpenMetrics 1.0, or Prometheus' own format where the scraper asks for no other.
 * Source: OpenMetrics specification 1.0.0; Prometheus exposition formats 0.0.4
 */
export type Labels = Readonly<Record<string, string>>;

interface Sample {
  /** What follows the family's name: "", "_total", "_bucket"... */
  readonly suffix: string;
  readonly labels: Labels;
  readonly value: number;
}

/** A metric and all its samples. A counter's name has no "_total": its samples do. */
export class Family {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram" | "info";
  readonly help: string;
  readonly samples: Sample[] = [];

  /** @param name with its unit at the end, as "sluice_sent_bytes" */
  constructor(type: Family["type"], name: string, help: string) {
    this.type = type;
    this.name = name;
    this.help = help;
  }

  add(labels: Labels, value: number): void {
    const suffix = this.type === "counter" ? "_total" : this.type === "info" ? "_info" : "";
    this.samples.push({ suffix, labels, value });
  }

  /** @param buckets one for each bound, and +Inf; not cumulative */
  addHistogram(labels: Labels, bounds: readonly number[], buckets: ArrayLike<number>, sum: number): void {
    let count = 0;
    for (let i = 0; i < buckets.length; i++) {
      count += buckets[i]!;
      const le = i < bounds.length ? canonical(bounds[i]!) : "+Inf";
      this.samples.push({ suffix: "_bucket", labels: { ...labels, le }, value: count });
    }
    this.samples.push({ suffix: "_sum", labels, value: sum }, { suffix: "_count", labels, value: count });
  }
}

const UNITS = ["seconds", "bytes"];

export function exposition(families: readonly Family[], openMetrics: boolean): string {
  let text = "";
  for (const { name, type, help, samples } of families) {
    // The older format knows no info, and names a counter as its samples.
    const shown = openMetrics ? name : type === "counter" ? `${name}_total` : type === "info" ? `${name}_info` : name;
    text += `# HELP ${shown} ${escapeText(help, openMetrics)}\n`;
    text += `# TYPE ${shown} ${openMetrics || type !== "info" ? type : "gauge"}\n`;
    const unit = UNITS.find((one) => name.endsWith(`_${one}`));
    if (openMetrics && unit !== undefined) text += `# UNIT ${name} ${unit}\n`;
    for (const sample of samples) text += `${name}${sample.suffix}${labelText(sample.labels)} ${sample.value}\n`;
  }
  return openMetrics ? `${text}# EOF\n` : text;
}

/** "1.0", not "1": bounds are the same text for every scraper. */
function canonical(bound: number): string {
  return Number.isInteger(bound) ? `${bound}.0` : String(bound);
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeText(value, true)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

/** One line; bytes that are no ASCII become "?": what is UTF-8 and what not cannot be told. */
function escapeText(text: string, quotes: boolean): string {
  const escaped = text
    .replace(/\\/g, "\\\\")
    .replace(/\n/g, "\\n")
    .replace(/[^\x20-\x7e]/g, "?");
  return quotes ? escaped.replace(/"/g, '\\"') : escaped;
}
