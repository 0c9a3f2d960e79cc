import { CelError, noSuchOverload } from "../errors.ts";
import { intOf, textOf } from "../function-table.ts";
import type { FunctionTable } from "../function-table.ts";
import {
  addQuantities,
  compareQuantities,
  isWhole,
  parseQuantity,
  quantityAsDouble,
  quantityAsInt,
  quantityOfInt,
  subtractQuantities,
} from "../quantity.ts";
import type { Quantity } from "../quantity.ts";
import type { CelValue } from "../values.ts";

/** What Kubernetes adds for resource quantities. */
export const quantityFunctions: FunctionTable = {
  "quantity(_)": ([text]) => {
    const quantity = parseQuantity(textOf(text));
    if (quantity === undefined) {
      throw new CelError(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
      );
    }
    return quantity;
  },
  "isQuantity(_)": ([text]) => parseQuantity(textOf(text)) !== undefined,
  ".isInteger()": ([value]) => isWhole(quantityOf(value)),
  ".asInteger()": ([value]) => quantityAsInt(quantityOf(value)),
  ".asApproximateFloat()": ([value]) => quantityAsDouble(quantityOf(value)),
  ".sign()": ([value]) => compareQuantities(quantityOf(value), quantityOfInt(0n)),
  ".add(_)": ([a, b]) => addQuantities(quantityOf(a), quantityOrInt(b)),
  ".sub(_)": ([a, b]) => subtractQuantities(quantityOf(a), quantityOrInt(b)),
  ".compareTo(_)": ([a, b]) => compareQuantities(quantityOf(a), quantityOf(b)),
  ".isLessThan(_)": ([a, b]) => compareQuantities(quantityOf(a), quantityOf(b)) < 0n,
  ".isGreaterThan(_)": ([a, b]) => compareQuantities(quantityOf(a), quantityOf(b)) > 0n,
};

function quantityOf(value: CelValue | undefined): Quantity {
  if (typeof value === "object" && value?.kind === "quantity") return value;
  throw noSuchOverload();
}

function quantityOrInt(value: CelValue | undefined): Quantity {
  return typeof value === "bigint" ? quantityOfInt(intOf(value)) : quantityOf(value);
}
