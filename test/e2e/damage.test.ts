import assert from "node:assert/strict";
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { clientOf, createTopic, whole } from "../../bench/load/local.ts";
import { readBack } from "../../bench/load/read-back.ts";
import { SteadyProducer } from "../../bench/load/steady-producer.ts";
import { realScheduler, sleep } from "../../lib/clock.ts";
import { eventually, lastLogLines, LocalCluster } from "../support/local-cluster.ts";

const TOPIC = "old";

/** The records files of the topic's replicas, by broker. */
function segments(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((file) => file.includes(`${TOPIC}-0${path.sep}`) && file.endsWith(".log"))
    .sort()
    .map((file) => path.join(directory, file));
}

/** Turns one bit around, as disks do that are not well. */
function flip(file: string, position: number): void {
  const fd = openSync(file, "r+");
  const byte = Buffer.alloc(1);
  readSync(fd, byte, 0, 1, position);
  byte[0] = (byte[0] ?? 0) ^ 0x10;
  writeSync(fd, byte, 0, 1, position);
  closeSync(fd);
}

describe("records that have suffered on disk", () => {
  it("are never served, and are brought from another replica", async () => {
    const cluster = await LocalCluster.start(3);
    const client = clientOf(cluster);
    const producer = new SteadyProducer({
      client,
      topic: TOPIC,
      partitions: 1,
      recordsPerSecond: 1000,
      recordBytes: 1024,
    });
    try {
      const kube = await cluster.kube();
      await createTopic(kube, TOPIC, 1);
      await producer.start();
      await sleep(realScheduler, 3000);
      await producer.stop();
      await cluster.down();
      kube.close();

      const files = segments(cluster.directory);
      assert.equal(files.length, 3);
      // In each replica at another place: whoever leads has one that is damaged, and two others have it whole.
      const size = Math.min(...files.map((file) => statSync(file).size));
      for (const [at, file] of files.entries()) flip(file, Math.floor((size * (at + 1)) / 5));

      await cluster.up();
      const again = await cluster.kube();
      await whole(again);
      again.close();
      const verdict = await readBack(client, TOPIC, producer.acked);
      assert.deepEqual(
        { ...verdict, stored: undefined },
        {
          acknowledged: producer.ackedCount,
          lost: 0,
          duplicated: 0,
          outOfOrder: 0,
          stored: undefined,
        },
      );
      await eventually(
        () =>
          Promise.resolve(
            /a damaged batch was repaired/.test(logs(cluster.directory)) || undefined,
          ),
        "the repair in a broker's log",
      );
    } catch (error) {
      for (const line of lastLogLines(cluster)) console.log(line);
      throw error;
    } finally {
      producer.abandon();
      client.close();
      await cluster.remove();
    }
  });
});

function logs(directory: string): string {
  const folder = path.join(directory, "logs");
  return readdirSync(folder)
    .map((name) => readFileSync(path.join(folder, name), "utf8"))
    .join("");
}
