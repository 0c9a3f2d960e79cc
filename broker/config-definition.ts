export type ConfigType = "int" | "long" | "boolean" | "string" | "list" | "double";

/** A configuration of Kafka's (or of ours, `forebay.*`): its name, type, default as text, and bounds. */
export interface ConfigDefinition {
  readonly name: string;
  readonly type: ConfigType;
  readonly default: string | null;
  /** Of a number, inclusive. */
  readonly min?: number;
  readonly max?: number;
  /** What it can be; of a list, what each of its elements can be. */
  readonly oneOf?: readonly string[];
  /** The same setting in coarser units, read when this one is not given, in this order (log.retention.hours). */
  readonly coarser?: readonly { readonly name: string; readonly factor: number }[];
  readonly doc: string;
}

const INTEGER_BITS = { int: 31n, long: 63n } as const;

/** Why a value cannot be had by a configuration, or undefined when it can; values are written as Kafka reads them. */
export function refusal(definition: ConfigDefinition, value: string): string | undefined {
  const { name, type, oneOf } = definition;
  switch (type) {
    case "list": {
      const elements = listOf(value);
      const strange = elements.find((one) => oneOf?.includes(one) === false);
      if (strange !== undefined) return `${name} must be of ${oneOf?.join(", ") ?? ""}`;
      if (elements.length === 0) return `${name} must not be empty`;
      return new Set(elements).size < elements.length ? `${name} names one twice` : undefined;
    }
    case "boolean":
    case "string":
      if (oneOf?.includes(value) === false) return `${name} must be one of ${oneOf.join(", ")}`;
      return undefined;
    case "int":
    case "long": {
      const text = value.trim();
      const limit = 1n << INTEGER_BITS[type];
      if (!/^[+-]?\d{1,19}$/.test(text) || BigInt(text) >= limit || BigInt(text) < -limit) {
        return `${name} must be a number of type ${type}`;
      }
      return outside(definition, Number(text));
    }
    case "double": {
      const text = value.trim();
      if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text) || !Number.isFinite(Number(text))) {
        return `${name} must be a number of type double`;
      }
      return outside(definition, Number(text));
    }
  }
}

/** The elements of a list's value. */
export function listOf(value: string): string[] {
  return value
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "");
}

function outside({ name, min, max }: ConfigDefinition, value: number): string | undefined {
  if (min !== undefined && value < min) return `${name} must be at least ${min}`;
  if (max !== undefined && value > max) return `${name} must be at most ${max}`;
  return undefined;
}
