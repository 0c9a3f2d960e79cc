/** A counter, gauge or histogram with one value per set of labels. Prometheus' text format; no dependency on a hot path. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** Read when the metrics are asked for. */
  readonly values: () => Iterable<{
    /** Behind the name, as a histogram has `_bucket`, `_sum` and `_count`. */
    readonly suffix?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly value: number;
  }>;
}

/** Metrics by name, rendered on demand. */
export class MetricsRegistry {
  readonly #metrics: Metric[] = [];

  add(metric: Metric): void {
    this.#metrics.push(metric);
  }

  /** Prometheus text exposition format 0.0.4. */
  render(): string {
    const lines: string[] = [];
    for (const { name, help, type, values } of this.#metrics) {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
      for (const { suffix = "", labels, value } of values()) {
        const pairs = Object.entries(labels ?? {}).map(
          ([key, text]) => `${key}="${escapeLabel(text)}"`,
        );
        lines.push(`${name}${suffix}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`);
      }
    }
    return `${lines.join("\n")}\n`;
  }
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
