import type { Container, Pod } from "../workloads.ts";

export interface PortPlanInputs {
  readonly pod: Pod;
  readonly container: Container;
  /** What the pod's claim, or the pod, had before. */
  readonly kept: Readonly<Record<string, number>>;
  /** The port that must be had, whatever was before: brokers' client ports are where the user expects them. */
  readonly fixed: (pod: Pod, portName: string) => number | undefined;
  /** Ports of other pods. */
  readonly taken: ReadonlySet<number>;
  /** The first port that may be given to one that is not fixed, and the last. */
  readonly range: readonly [first: number, last: number];
  readonly isFree: (port: number) => Promise<boolean>;
}

/**
 * A real port for each port that a container names: the fixed one, else the one it had if nobody else has it, else the
 * first free one of the range. @throws Error when the range is used up
 */
export async function planPorts(inputs: PortPlanInputs): Promise<Record<string, number>> {
  const { pod, container, kept, fixed, isFree } = inputs;
  const taken = new Set(inputs.taken);
  const ports: Record<string, number> = {};
  const names = (container.ports ?? []).flatMap(({ name }) => (name === undefined ? [] : [name]));
  for (const name of names) {
    const port = fixed(pod, name);
    if (port === undefined) continue;
    ports[name] = port;
    taken.add(port);
  }
  const [first, last] = inputs.range;
  for (const name of names) {
    if (ports[name] !== undefined) continue;
    const before = kept[name];
    let port =
      before !== undefined && !taken.has(before) && (await isFree(before)) ? before : first;
    if (port !== before) {
      while (port <= last && (taken.has(port) || !(await isFree(port)))) port++;
      if (port > last) throw new Error(`no free port from ${String(first)} to ${String(last)}`);
    }
    ports[name] = port;
    taken.add(port);
  }
  return ports;
}
