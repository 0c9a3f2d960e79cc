import { existsSync, readdirSync } from "node:fs";
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

const PREPARE = "test/conformance/clients/prepare fetches it";

/** Why a tool cannot be used on this machine, by name; undefined if it can. */
const lacking: Readonly<Record<string, () => string | undefined>> = {
  kcat: () => (onPath("kcat") === undefined ? "kcat is not installed" : undefined),
  java: () => {
    if (onPath("java") === undefined) return "java is not installed";
    return lacksJars(javaClassPath, "java");
  },
  "kafka-tools": () =>
    onPath("java") === undefined
      ? "java is not installed"
      : lacksJars(kafkaToolsClassPath, "kafka-tools"),
};

function lacksJars(classPath: string, name: string): string | undefined {
  const jars = path.dirname(classPath);
  const found = existsSync(jars) && readdirSync(jars).some((file) => file.endsWith(".jar"));
  return found ? undefined : `no jars in ${jars}: ${PREPARE} ${name}`;
}

/**
 * Skips the test or suite when one of the tools is missing, and says which; in continuous integration (CI=true) that
 * is a failure, so that nothing is left out without a word.
 */
export function needs(context: Mocha.Context, ...tools: readonly string[]): void {
  for (const tool of tools) {
    const look = lacking[tool];
    if (look === undefined) throw new Error(`nothing is known of the tool ${tool}`);
    const missing = look();
    if (missing === undefined) continue;
    if (process.env["CI"] === "true") throw new Error(missing);
    console.log(`    skipped: ${missing}`);
    context.skip();
  }
}
