import { realScheduler, sleep } from "../../lib/clock.ts";
import type { KafkaClient } from "../../test/support/kafka-client.ts";

/** What became of acknowledged records. */
export interface Verdict {
  readonly acknowledged: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly outOfOrder: number;
  readonly stored: number;
}

const RETRY_MS = 100;
const RETRIES = 300;

/** Reads a whole topic and compares it with what was acknowledged, partition by partition. */
export async function readBack(
  client: KafkaClient,
  topic: string,
  acked: ReadonlyMap<number, ReadonlySet<number>>,
): Promise<Verdict> {
  let acknowledged = 0;
  let lost = 0;
  let duplicated = 0;
  let outOfOrder = 0;
  let stored = 0;
  await client.refresh([topic]);
  for (const [partition, expected] of acked) {
    const seen = new Set<number>();
    let last = -1;
    for await (const number of numbersOf(client, topic, partition)) {
      stored++;
      if (seen.has(number)) duplicated++;
      else if (number < last) outOfOrder++;
      seen.add(number);
      last = number;
    }
    acknowledged += expected.size;
    for (const number of expected) if (!seen.has(number)) lost++;
  }
  return { acknowledged, lost, duplicated, outOfOrder, stored };
}

async function* numbersOf(
  client: KafkaClient,
  topic: string,
  partition: number,
): AsyncGenerator<number> {
  let offset = 0;
  let failures = 0;
  for (;;) {
    try {
      const { records, highWatermark } = await client.fetch(topic, partition, offset, 0);
      for (const record of records) {
        yield Number(record.value.split(" ")[0]);
        offset = record.offset + 1;
      }
      if (offset >= highWatermark) return;
    } catch (error) {
      if (++failures > RETRIES) throw error;
      await sleep(realScheduler, RETRY_MS);
      await client.refresh([topic]).catch(() => undefined);
    }
  }
}

/** Throws unless nothing acknowledged was lost, stored twice or out of order. */
export function requireSafe(verdict: Verdict): void {
  const { lost, duplicated, outOfOrder } = verdict;
  if (lost + duplicated + outOfOrder > 0) throw new Error(`unsafe: ${JSON.stringify(verdict)}`);
}
