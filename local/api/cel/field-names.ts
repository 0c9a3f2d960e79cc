/** Words of CEL; a field of such a name is written `__name__` in a rule. */
const RESERVED = new Set(
  (
    "true false null in as break const continue else for function if import let loop package " +
    "namespace return var void while"
  ).split(" "),
);
const ESCAPES: Readonly<Record<string, string>> = {
  __: "__underscores__",
  ".": "__dot__",
  "-": "__dash__",
  "/": "__slash__",
};

/**
 * How a rule names a field, as Kubernetes documents it for `x-kubernetes-validations`; undefined for a field that no rule
 * can name.
 */
export function escapedFieldName(field: string): string | undefined {
  if (RESERVED.has(field)) return `__${field}__`;
  if (!/^[A-Za-z_./-][A-Za-z0-9_./-]*$/.test(field)) return undefined;
  return field.replace(/__|[./-]/g, (part) => ESCAPES[part] ?? part);
}
