/** What occurs more than once. */
export function duplicates<T>(all: Iterable<T>): ReadonlySet<T> {
  const once = new Set<T>();
  const more = new Set<T>();
  for (const one of all) {
    if (once.has(one)) more.add(one);
    else once.add(one);
  }
  return more;
}
