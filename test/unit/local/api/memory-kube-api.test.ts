import { realScheduler } from "../../../../lib/clock.ts";
import { seededRandom } from "../../../../lib/random.ts";
import { createMemoryKubeApi } from "../../../../local/api/memory-kube-api.ts";
import { ObjectStore } from "../../../../local/api/object-store.ts";
import { kubeApiContract } from "../../../contract/kube-api.contract.ts";

kubeApiContract("in memory", () => {
  const store = new ObjectStore({ scheduler: realScheduler, random: seededRandom(1) });
  return Promise.resolve({
    api: createMemoryKubeApi({ store, scheduler: realScheduler }),
    namespace: "default",
    forgetHistory: () => {
      store.compactHistory();
    },
    close: () => Promise.resolve(),
  });
});
