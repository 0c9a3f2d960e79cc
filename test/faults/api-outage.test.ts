import assert from "node:assert/strict";
import { type Kube, whole } from "../../bench/load/local.ts";
import { seededRandom } from "../../lib/random.ts";
import { MINUTE, SECOND } from "../../lib/units.ts";
import { eventually, lastLogLines, LocalCluster } from "../support/local-cluster.ts";
import { recordedSlices } from "../support/recorded-slices.ts";
import { ApiProxy, MOODS } from "./api-proxy.ts";
import { Load } from "./load.ts";
import { pause } from "./world.ts";

/** API_MINUTES and API_SEED change how long, and in which order. */
const { API_MINUTES = "1.5", API_SEED = "3" } = process.env;

/** Leader and leader epoch of every partition. */
async function leaders(kube: Kube): Promise<Record<string, string>> {
  const slices = await recordedSlices(kube, "default");
  return Object.fromEntries(
    slices.flatMap(({ metadata, states }) =>
      states.map((state, at) => [
        `${metadata.name}/${at}`,
        `broker ${state?.leader} in epoch ${state?.leaderEpoch}`,
      ]),
    ),
  );
}

/** As `eventually` wants it. */
async function arePreferred(kube: Kube): Promise<true | undefined> {
  const slices = await recordedSlices(kube, "default");
  const all = slices.every(({ spec, states }) =>
    spec.partitions.every(({ replicas }, at) => states[at]?.leader === replicas[0]),
  );
  return all || undefined;
}

function changes(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((partition) => before[partition] !== after[partition])
    .map((partition) => `${partition}: ${before[partition]}, then ${after[partition]}`);
}

/** What brokers said, as controllers, of each other and of their office. */
function decisions(cluster: LocalCluster): string {
  const told = /"(broker session|broker is gone|controller|no longer the controller)"|silent for/;
  return lastLogLines(cluster, 5000)
    .filter((line) => line.startsWith("==") || told.test(line))
    .join(" ");
}

describe("a Kubernetes API that fails", () => {
  it(`demotes nobody, restarts nothing and loses nothing: ${API_MINUTES} minutes under load, seed ${API_SEED}`, async function () {
    this.timeout(Number(API_MINUTES) * MINUTE + 5 * MINUTE);
    const random = seededRandom(Number(API_SEED));
    const proxy = await ApiProxy.start(random);
    const options = process.env["NODE_OPTIONS"];
    const redirect = `if (process.env.POD_NAME) process.env.FOREBAY_KUBE_SERVER = "http://127.0.0.1:${proxy.port}"`;
    process.env["NODE_OPTIONS"] = `--import data:text/javascript,${encodeURIComponent(redirect)}`;
    const cluster = await LocalCluster.start(3, (directory) => {
      proxy.stand(directory);
    });
    const kube = await cluster.kube();
    let load: Load | undefined;
    try {
      load = await Load.start(cluster, kube, "api", 2);
      await whole(kube);
      // Leaderships that return to the preferred replicas once it is calm are not the API's doing.
      await eventually(() => arePreferred(kube), "every leader the preferred one");
      const before = await leaders(kube);
      const processes = await cluster.processes();
      const end = performance.now() + Number(API_MINUTES) * MINUTE;
      while (performance.now() < end) {
        const mood = MOODS[random.below(MOODS.length)] ?? "well";
        proxy.mood = mood;
        if (random.below(2) === 0) proxy.breakWatches();
        const ms = SECOND + random.below(9 * SECOND);
        console.log(`      ${mood} for ${ms} ms, ${load.acknowledged} acknowledged`);
        await pause(ms);
      }
      await load.progress();
      proxy.mood = "well";
      await whole(kube);
      await load.progress();
      const moved = changes(before, await leaders(kube));
      assert.deepEqual(moved, [], `${moved.join("; ")}; ${decisions(cluster)}`);
      assert.deepEqual(await cluster.processes(), processes);
      console.log("     ", Object.fromEntries(proxy.spoilt));
      assert.ok(proxy.spoilt.size > 5, "most moods have met a request");
      const { wrong, acknowledged } = await load.finish();
      assert.deepEqual(wrong, [], wrong.join("; "));
      assert.ok(acknowledged > 1000);
    } catch (error) {
      for (const line of lastLogLines(cluster)) console.log(line);
      throw error;
    } finally {
      load?.close();
      if (options === undefined) delete process.env["NODE_OPTIONS"];
      else process.env["NODE_OPTIONS"] = options;
      kube.close();
      proxy.mood = "well";
      await cluster.remove();
      proxy.close();
    }
  });
});
