import { readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { seededRandom } from "../../../lib/random.ts";
import { ApiProxy, MOODS } from "../../faults/api-proxy.ts";

/**
 * The proxy as a process of its own, in the network of the harness's cluster. Arguments: the folder of the API server's
 * certificates, its port, a seed. Prints the port that it listens on. Each line on standard input is a mood, or `break`,
 * which ends all watches, and is answered by one with how many requests were spoilt so far, by mood. It ends with its input.
 */
const [pki = "", port = "", seed = "1"] = process.argv.slice(2);
const pem = (file: string): string => readFileSync(path.join(pki, file), "utf8");
const proxy = await ApiProxy.start(seededRandom(Number(seed)), {
  port: Number(port),
  cert: pem("apiserver.crt"),
  key: pem("apiserver.key"),
  ca: pem("ca.crt"),
});
console.log(proxy.port);
for await (const line of createInterface({ input: process.stdin })) {
  const mood = MOODS.find((one) => one === line);
  if (mood !== undefined) proxy.mood = mood;
  else if (line === "break") proxy.breakWatches();
  else throw new Error(`no such mood: ${line}`);
  console.log(JSON.stringify(Object.fromEntries(proxy.spoilt)));
}
process.exit(0);
