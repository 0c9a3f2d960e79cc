import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { unzip } from "./zip.ts";

/** A field as Kafka's message schemas write it. */
export interface KafkaField {
  readonly name: string;
  readonly type: string;
  readonly versions: string;
  readonly nullableVersions?: string;
  readonly taggedVersions?: string;
  readonly flexibleVersions?: string;
  readonly tag?: number;
  readonly default?: string | number | boolean;
  readonly fields?: readonly KafkaField[];
}

export interface KafkaSchema {
  readonly apiKey: number;
  readonly name: string;
  readonly type: string;
  readonly listeners?: readonly string[];
  readonly validVersions: string;
  readonly flexibleVersions: string;
  readonly latestVersionUnstable?: boolean;
  readonly fields: readonly KafkaField[];
  readonly commonStructs?: readonly {
    readonly name: string;
    readonly fields: readonly KafkaField[];
  }[];
}

const VERSION = "4.4.0";
const FOLDER = "common/message/";

/** Where the kafka-clients jar is looked for: KAFKA_CLIENTS_JAR, or else Maven's local repository. */
export function jarPath(): string {
  const own = process.env["KAFKA_CLIENTS_JAR"];
  if (own !== undefined && own !== "") return own;
  const name = `kafka-clients-${VERSION}.jar`;
  return join(homedir(), ".m2/repository/org/apache/kafka/kafka-clients", VERSION, name);
}

/** The schemas of requests and responses by name, or undefined if there is no jar. */
export function kafkaSchemas(): ReadonlyMap<string, KafkaSchema> | undefined {
  const path = jarPath();
  if (!existsSync(path)) return undefined;
  const files = unzip(
    readFileSync(path),
    (name) => name.startsWith(FOLDER) && /(Request|Response)\.json$/.test(name),
  );
  const schemas = new Map<string, KafkaSchema>();
  for (const text of files.values()) {
    const schema = JSON.parse(withoutComments(text.toString("utf8"))) as KafkaSchema;
    schemas.set(schema.name, schema);
  }
  return schemas;
}

/** The files carry whole-line comments, which JSON does not know. */
function withoutComments(text: string): string {
  return text.replaceAll(/^\s*\/\/.*$/gm, "");
}
