import { existsSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";

/** Where test/conformance/clients/prepare puts what clients need: FOREBAY_CACHE, or a folder of the user's cache. */
export function cacheDirectory(): string {
  const own = process.env["FOREBAY_CACHE"];
  return own !== undefined && own !== "" ? own : path.join(homedir(), ".cache", "forebay");
}

/** The file that a command's name stands for on the PATH, or undefined. */
export function onPath(command: string): string | undefined {
  return (process.env["PATH"] ?? "")
    .split(path.delimiter)
    .map((folder) => path.join(folder, command))
    .find((file) => existsSync(file));
}

/** The class path of the Java programs: kafka-clients and what it needs. */
export const javaClassPath = path.join(cacheDirectory(), "conformance", "java", "*");

/** The class path of Apache Kafka's command line tools (org.apache.kafka.tools.*). */
export const kafkaToolsClassPath = path.join(cacheDirectory(), "conformance", "kafka-tools", "*");

/** The class path of Kafka Streams. */
export const streamsClassPath = path.join(cacheDirectory(), "conformance", "streams", "*");

/** kubectl of the pinned version, or else the one on the PATH; undefined if there is neither. */
export function kubectlProgram(): string | undefined {
  const pinned = path.join(cacheDirectory(), "conformance", "kubectl", "kubectl");
  return existsSync(pinned) ? pinned : onPath("kubectl");
}

const PREPARE = "it is made by test/conformance/clients/prepare";

/** Why a tool cannot be used on this machine, by name; undefined if it can. */
const lacking: Readonly<Record<string, () => string | undefined>> = {
  kcat: () => (onPath("kcat") === undefined ? "kcat is not installed" : undefined),
  java: () => {
    if (onPath("java") === undefined) return "java is not installed";
    return prepared(path.dirname(javaClassPath), "java");
  },
  "kafka-tools": () => {
    if (onPath("java") === undefined) return "java is not installed";
    return prepared(path.dirname(kafkaToolsClassPath), "kafka-tools");
  },
  streams: () => {
    if (onPath("java") === undefined) return "java is not installed";
    return prepared(path.dirname(streamsClassPath), "streams");
  },
  kubectl: () =>
    kubectlProgram() === undefined ? `kubectl is not installed: ${PREPARE} kubectl` : undefined,
  "go clients": () => prepared(path.join(cacheDirectory(), "conformance", "go", "clients"), "go"),
  "python clients": () =>
    prepared(path.join(cacheDirectory(), "conformance", "python", "bin", "python"), "python"),
};

function prepared(file: string, what: string): string | undefined {
  return existsSync(file) ? undefined : `no ${file}: ${PREPARE} ${what}`;
}

/** Which of the tools cannot be used on this machine, and why. */
export function lacks(...tools: readonly string[]): string[] {
  return tools.flatMap((tool) => {
    const look = lacking[tool];
    if (look === undefined) throw new Error(`nothing is known of the tool ${tool}`);
    return look() ?? [];
  });
}

/**
 * Skips the test or suite when one of the tools is missing, and says which; in continuous integration (CI=true) that
 * is a failure, so that nothing is left out without a word.
 */
export function needs(context: Mocha.Context, ...tools: readonly string[]): void {
  const missing = lacks(...tools);
  if (missing.length === 0) return;
  if (process.env["CI"] === "true") throw new Error(missing.join("; "));
  console.log(`    skipped: ${missing.join("; ")}`);
  context.skip();
}
