import { readFileSync } from "node:fs";
import path from "node:path";
import { cacheDirectory, javaClassPath } from "../../support/tools.ts";
import type { Scenario } from "./scenarios.ts";

/** A client library and the program that runs the scenarios with it. */
export interface Library {
  readonly name: string;
  readonly version: string;
  /** What it needs beside Node and npm: names of ../../support/tools.ts. */
  readonly tools: readonly string[];
  readonly command: readonly [string, ...string[]];
  /** Scenarios that its API has no means for. */
  readonly notInApi: readonly Scenario[];
  /** It cannot make topics: those that must be there before are made for it. */
  readonly cannotCreate?: boolean;
}

const clients = path.resolve(import.meta.dirname, "..", "clients");
const cache = path.join(cacheDirectory(), "conformance");

function textOf(...file: readonly string[]): string {
  return readFileSync(path.join(clients, ...file), "utf8");
}

/** The version that a manifest pins, found by what stands before it. */
function pinned(text: string, before: string): string {
  const at = text.indexOf(before);
  const version = /\d[\w.-]*/.exec(text.slice(at + before.length))?.[0];
  if (at < 0 || version === undefined) throw new Error(`no version after ${before}`);
  return version;
}

const npm = readFileSync(path.resolve(clients, "..", "..", "..", "package.json"), "utf8");
const goModules = textOf("go", "go.mod");
const wheels = textOf("python", "requirements.txt");

function node(name: string, program: string): Library {
  return {
    name,
    version: pinned(npm, `"${name}": "`),
    tools: [],
    command: [process.execPath, path.join(clients, "js", program)],
    notInApi: [],
  };
}

function go(name: string, module: string, notInApi: readonly Scenario[] = []): Library {
  return {
    name,
    version: pinned(goModules, `${module} v`),
    tools: ["go clients"],
    command: [path.join(cache, "go", "clients"), name],
    notInApi,
  };
}

function python(name: string, program: string): Library {
  return {
    name,
    version: pinned(wheels, `${name}==`),
    tools: ["python clients"],
    command: [path.join(cache, "python", "bin", "python"), path.join(clients, "python", program)],
    notInApi: [],
  };
}

export const libraries: readonly Library[] = [
  {
    name: "kcat",
    version: "1.7",
    tools: ["kcat"],
    command: ["bash", path.join(clients, "kcat", "scenarios.sh")],
    notInApi: ["create-topic", "admin", "configs", "delete-records"],
    cannotCreate: true,
  },
  {
    name: "Java kafka-clients",
    version: pinned(textOf("java", "pom.xml"), "<artifactId>kafka-clients</artifactId><version>"),
    tools: ["java"],
    command: ["java", "-cp", javaClassPath, path.join(clients, "java", "Scenarios.java")],
    notInApi: [],
  },
  go("franz-go", "github.com/twmb/franz-go"),
  go("kafka-go", "github.com/segmentio/kafka-go", ["idempotence", "delete-records"]),
  go("sarama", "github.com/IBM/sarama"),
  node("kafkajs", "kafkajs.mjs"),
  node("@platformatic/kafka", "platformatic.mjs"),
  python("confluent-kafka", "confluent.py"),
  python("kafka-python", "kafka_python.py"),
  python("aiokafka", "aiokafka_client.py"),
];
