import type { InterruptedTopic } from "../../cluster/restart-safety.ts";
import type { ListenerAddresses } from "../plan/listener-addresses.ts";
import type { ScaleDown } from "../plan/scale-down.ts";
import type { RollingRestart } from "../plan/rolling-restart.ts";

/** What the operator found when it looked at a cluster. */
export type ClusterFinding =
  /** The spec, or a child made from it, cannot be: only a person can help. */
  | { readonly kind: "refused"; readonly reason: string; readonly message: string }
  /** Nothing is wrong, but something must happen first. */
  | { readonly kind: "waiting"; readonly reason: string; readonly message: string }
  | { readonly kind: "paused" }
  | {
      readonly kind: "applied";
      /** While brokers are to go. */
      readonly scaleDown?: ScaleDown;
      /** Topics that have more replicas than there are to be brokers. */
      readonly tooWide?: readonly string[];
      /** While pods of an older template are there. */
      readonly restart?: RollingRestart;
      /** Topics that the restart of a broker would interrupt. */
      readonly interrupted?: readonly InterruptedTopic[];
      /** Claims that have not got the size they asked for yet. */
      readonly growing?: readonly string[];
      /** The image, or something else of the pods, that this operator would have otherwise. */
      readonly upgrade?: string;
      /** Where the listeners for clients from outside are reached; undefined when there are none. */
      readonly outside?: readonly ListenerAddresses[];
      /** What keeps a pod from starting, if a reason is known. */
      readonly podProblem?: string;
    };
