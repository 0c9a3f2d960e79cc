/**
 * `list` with `one` at its end, for lists that mostly stay at one: an array that grows from nothing takes room for
 * seventeen at once, one that begins with an element has room for that. (pure, but for `list`)
 */
export function appended<T>(list: T[], one: T): T[] {
  if (list.length === 0) return [one];
  list.push(one);
  return list;
}
