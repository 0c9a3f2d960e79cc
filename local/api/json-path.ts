import { isObject } from "./json.ts";

/** Stands for an escaped dot while a path is taken apart; a character that no field name has. */
const ESCAPED_DOT = "\uE000";

/**
 * The JSONPath of printer columns and scale fields: `.a.b`, `['a.b']`, `[0]`, `[*]`, `[?(@.type=="Ready")]`.
 * @returns all values found, or none when the path is not understood.
 */
export function jsonPath(value: unknown, path: string): unknown[] {
  const text = path
    .trim()
    .replace(/^\{|\}$/g, "")
    .replace(/^\$/, "");
  const steps =
    /\.([\w\-/\uE000]+|\*)|\['((?:[^'\\]|\\.)*)'\]|\[(\d+|\*)\]|\[\?\(@\.([\w.-]+)\s*==\s*(?:"([^"]*)"|'([^']*)')\)\]/gy;
  let current: unknown[] = [value];
  let position = 0;
  const normal = text.replaceAll("\\.", ESCAPED_DOT);
  for (;;) {
    steps.lastIndex = position;
    const match = steps.exec(normal);
    if (match === null) break;
    position += match[0].length;
    const [, field, quoted, index, test, double, single] = match;
    current = current.flatMap((each) => {
      if (test !== undefined) {
        const wanted = double ?? single ?? "";
        if (!Array.isArray(each)) return [];
        return (each as unknown[]).filter((item) =>
          jsonPath(item, `.${test}`).some((found) => String(found) === wanted),
        );
      }
      if (index === "*" || field === "*") {
        return Array.isArray(each)
          ? (each as unknown[])
          : isObject(each)
            ? Object.values(each)
            : [];
      }
      if (index !== undefined)
        return Array.isArray(each) ? [(each as unknown[])[Number(index)]] : [];
      const name = (field ?? quoted ?? "").replaceAll(ESCAPED_DOT, ".").replaceAll("\\'", "'");
      return isObject(each) && Object.hasOwn(each, name) ? [each[name]] : [];
    });
  }
  return position === normal.length ? current.filter((each) => each !== undefined) : [];
}
