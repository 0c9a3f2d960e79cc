import { readFileSync } from "node:fs";
import path from "node:path";
import { LocalCluster } from "../../test/support/local-cluster.ts";
import { processOf } from "../load/local.ts";
import { controlPlane, type ControlPlaneFigures } from "./control-plane.ts";

/** The control plane with many topics on a `forebay local` of its own, whose one process is the operator's as well. */
export async function localControlPlane(
  topics: number,
  say: (line: string) => void,
): Promise<ControlPlaneFigures> {
  const local = await LocalCluster.start(3);
  const kube = await local.kube();
  try {
    const { pid } = JSON.parse(
      readFileSync(path.join(local.directory, "instance.json"), "utf8"),
    ) as { readonly pid: number };
    return await controlPlane(
      {
        kube,
        namespace: "default",
        cluster: "local",
        kill: async (id) => {
          process.kill(await processOf(local, id), "SIGKILL");
        },
        operatorBytes: () => Promise.resolve(residentBytes(pid)),
        say,
      },
      topics,
    );
  } finally {
    kube.close();
    await local.remove();
  }
}

function residentBytes(pid: number): number {
  const [, kib = "0"] =
    /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${String(pid)}/status`, "utf8")) ?? [];
  return Number(kib) * 1024;
}
