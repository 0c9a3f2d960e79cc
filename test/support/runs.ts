import type fc from "fast-check";

/**
 * Parameters of a property: how many runs, and the seed and path of a failure to replay, from the environment
 * (FC_RUNS, FC_SEED, FC_PATH). Without FC_SEED a fixed seed keeps the suite deterministic.
 */
export function runs(count = 200): fc.Parameters<unknown> {
  const { FC_RUNS, FC_SEED, FC_PATH } = process.env;
  return {
    numRuns: FC_RUNS === undefined ? count : Number(FC_RUNS),
    seed: FC_SEED === undefined ? 20260101 : Number(FC_SEED),
    ...(FC_PATH === undefined ? {} : { path: FC_PATH }),
  };
}
