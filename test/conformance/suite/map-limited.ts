/** Maps with at most `limit` calls under way; they begin in order. */
export function mapLimited<T, R>(
  items: readonly T[],
  limit: number,
  call: (item: T) => Promise<R>,
): Promise<R>[] {
  const waiting: (() => void)[] = [];
  let free = limit;
  return items.map(async (item) => {
    if (free > 0) free--;
    else await new Promise<void>((go) => waiting.push(go));
    try {
      return await call(item);
    } finally {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  });
}
