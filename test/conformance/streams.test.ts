import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { run } from "../support/command.ts";
import { LocalCluster } from "../support/local-cluster.ts";
import { needs, streamsClassPath } from "../support/tools.ts";

const program = path.join(import.meta.dirname, "clients", "streams", "WordCount.java");

describe("Kafka Streams", () => {
  it("counts words at least once, and goes on from the changelog when its state is lost", async function () {
    needs(this, "streams");
    const cluster = await LocalCluster.start(3);
    const state = mkdtempSync(path.join(tmpdir(), "forebay-streams-"));
    try {
      const args = ["-cp", streamsClassPath, program, cluster.bootstrap, "words", state];
      const { code, stdout, stderr } = await run("java", args, { limitMs: 280_000 });
      assert.equal(code, 0, stderr.slice(-2000));
      const lines = stdout.trim().split("\n");
      const internal = lines.filter((line) => line.startsWith("internal ")).sort();
      assert.match(internal[0] ?? "", /-changelog$/);
      assert.match(internal[1] ?? "", /-repartition$/);
      // 4000 lines, of which every third is the same; the two rounds begin anew.
      const counts = new Map(
        lines
          .filter((line) => !line.startsWith("internal "))
          .map((line): [string, number] => {
            const [word = "", count = ""] = line.split(" ");
            return [word, Number(count)];
          }),
      );
      assert.equal(counts.get("kafka"), 4000);
      assert.equal(counts.get("hello"), 2 * 667);
      assert.equal(counts.get("summit"), 2 * 666);
    } finally {
      rmSync(state, { recursive: true, force: true });
      await cluster.remove();
    }
  });
});
