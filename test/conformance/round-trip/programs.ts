import path from "node:path";
import { javaClassPath } from "../../support/tools.ts";

/** A client program that speaks the commands of ../clients/README.md. */
export interface ClientProgram {
  readonly name: string;
  /** What it needs beside Node and npm. */
  readonly tools: readonly string[];
  readonly command: readonly [string, ...string[]];
}

const folder = path.resolve(import.meta.dirname, "..", "clients");

export const programs: readonly ClientProgram[] = [
  { name: "kcat", tools: ["kcat"], command: ["sh", path.join(folder, "kcat.sh")] },
  { name: "kafkajs", tools: [], command: [process.execPath, path.join(folder, "kafkajs.mjs")] },
  {
    name: "@platformatic/kafka",
    tools: [],
    command: [process.execPath, path.join(folder, "platformatic.mjs")],
  },
  {
    name: "Java kafka-clients",
    tools: ["java"],
    command: ["java", "-cp", javaClassPath, path.join(folder, "java", "RoundTrip.java")],
  },
];
