export type SideName = "forebay" | "kafka" | "kafka-flushed" | "nats";

/** How many delays were at most so many seconds long, by upper bound. */
export type DelayBuckets = ReadonlyMap<number, number>;

/** A broker cluster under measurement: Forebay or another one, on this machine. */
export interface Side {
  readonly name: SideName;
  /** As the load generator calls it. */
  readonly protocol: "kafka" | "nats";
  /** Nodes of the cluster. */
  readonly nodes: number;
  readonly bootstrap: string;
  /** Starts it, or what of it does not run; resolves when the processes are there. @returns when, in ns since 1970 */
  start(): Promise<bigint>;
  /** The id of the node whose process is the first of `pids`. */
  readonly firstId: number;
  /** Process ids of the brokers, in the order of their ids. */
  pids(): Promise<readonly number[]>;
  /** Stops all of it; the data stay. */
  stop(): Promise<void>;
  /** Stops it and removes its data. */
  remove(): Promise<void>;
  /** How late the event loops of its brokers were since they were started; a side without one has none. */
  loopDelay?(): Promise<DelayBuckets>;
  /** Where its data are. */
  readonly folder: string;
}
