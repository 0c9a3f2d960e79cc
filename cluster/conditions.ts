import type { Condition } from "../kube/objects.ts";
import { secondTime } from "../lib/clock.ts";
import type { EpochMillis } from "../lib/units.ts";

/** A condition as it is to be; times and generation are filled in by `withConditions`. */
export type WantedCondition = Pick<Condition, "type" | "status" | "reason" | "message">;

/**
 * Conditions as the API conventions want them (pure): `lastTransitionTime` changes with `status` alone, so that what
 * has not changed is written the same. Conditions of other types stay.
 */
export function withConditions(
  before: readonly Condition[] | undefined,
  wanted: readonly WantedCondition[],
  generation: number | undefined,
  wallNow: EpochMillis,
): readonly Condition[] {
  const others = (before ?? []).filter(({ type }) => !wanted.some((one) => one.type === type));
  const time = secondTime(wallNow);
  return [
    ...others,
    ...wanted.map((condition) => {
      const old = before?.find(({ type }) => type === condition.type);
      return {
        ...condition,
        lastTransitionTime: old?.status === condition.status ? old.lastTransitionTime : time,
        ...(generation === undefined ? {} : { observedGeneration: generation }),
      };
    }),
  ];
}

/** The three that kstatus reads: Ready; Reconciling while something is under way; Stalled when only a person can help. */
export function kstatus(
  state:
    | {
        readonly is: "ready";
        readonly reason: string;
        readonly message: string;
        /** What is under way all the same. */
        readonly underWay?: { readonly reason: string; readonly message: string };
      }
    | { readonly is: "reconciling"; readonly reason: string; readonly message: string }
    | { readonly is: "stalled"; readonly reason: string; readonly message: string },
): readonly WantedCondition[] {
  const { is, reason, message } = state;
  const underWay = is === "reconciling" || is === "stalled" ? undefined : state.underWay;
  const flag = (value: boolean): "True" | "False" => (value ? "True" : "False");
  const also = (value: boolean): { readonly reason: string; readonly message: string } =>
    value ? { reason, message } : { reason: "AsExpected", message: "" };
  return [
    { type: "Ready", status: flag(is === "ready"), reason, message },
    underWay === undefined
      ? { type: "Reconciling", status: flag(is === "reconciling"), ...also(is === "reconciling") }
      : { type: "Reconciling", status: "True", ...underWay },
    { type: "Stalled", status: flag(is === "stalled"), ...also(is === "stalled") },
  ];
}
