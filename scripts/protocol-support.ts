import { readFileSync, writeFileSync } from "node:fs";
import { servedApis } from "../broker/handlers/index.ts";
import { type ApiDefinition, apis } from "../broker/protocol/api-versions.ts";
import { apiNotes, otherApis } from "./protocol-notes.ts";

/** Where the page lies. */
export const PAGE = new URL("../docs/protocol-support.md", import.meta.url);

/** What the page says of an API. */
export interface SupportedApi {
  readonly api: ApiDefinition;
  readonly served: boolean;
}

/** docs/protocol-support.md, from the table of APIs, the handlers and the notes. Throws when an API has no note. */
export function protocolSupport(
  all: readonly SupportedApi[] = apis.map((api) => ({ api, served: servedApis.has(api.key) })),
): string {
  const client = all.filter(({ api }) => api.listener === "client");
  const served = client.filter((one) => one.served);
  const waiting = client.filter((one) => !one.served);
  const internal = all.filter(({ api }) => api.listener === "internal");
  const known = new Set(all.map(({ api }) => api.key));
  return [
    "<!-- Written by scripts/protocol-support.ts: change that, or what it reads, and run `node scripts/protocol-support.ts`. -->",
    "",
    "# Protocol support",
    "",
    "Forebay speaks the Kafka protocol in the versions of Apache Kafka 4.4. A client may use any version in the range,",
    "which is what the broker answers to ApiVersions; from the version under “flexible” on, messages have the compact",
    "encoding with tagged fields (KIP-482). Behind each KIP is the version of the API that brought it. Every field of",
    "every message is compared with Kafka's own schemas by `test/conformance/schemas`.",
    "",
    `## Served to clients: ${served.length} APIs`,
    "",
    ...table(
      ["Key", "API", "Versions", "Flexible", "KIPs", "Left out"],
      served.map(({ api }) => [...head(api), notesOf(api).limits ?? ""]),
    ),
    "",
    "## Between brokers",
    "",
    "Refused on the listeners of clients.",
    "",
    ...table(
      ["Key", "API", "Versions", "Flexible", "KIPs", "Served"],
      internal.map(({ api, served: yes }) => [...head(api), yes ? "yes" : "not yet"]),
    ),
    "",
    "## Not served yet",
    "",
    ...(waiting.length === 0
      ? ["Every API whose messages are known is served."]
      : [
          "Their messages are known, so that a handler is all they want; ApiVersions does not offer them.",
          "",
          ...table(
            ["Key", "API", "Versions", "Flexible", "KIPs"],
            waiting.map(({ api }) => head(api)),
          ),
        ]),
    "",
    "## Left out",
    "",
    ...otherApis.flatMap(({ names, why }) => {
      const left = Object.entries(names).filter(([key]) => !known.has(Number(key)));
      if (left.length === 0) return [];
      return [`- ${left.map(([key, name]) => `${name} (${key})`).join(", ")}: ${why}.`];
    }),
    "- Record batches of the formats before version 2 (Kafka 0.11): Kafka 4.0 refuses them too.",
    "",
  ].join("\n");
}

function notesOf(api: ApiDefinition): (typeof apiNotes)[string] {
  const notes = apiNotes[api.name];
  if (notes === undefined) throw new Error(`scripts/protocol-notes.ts has no line for ${api.name}`);
  return notes;
}

function head(api: ApiDefinition): string[] {
  const { minVersion, maxVersion } = api;
  const range = minVersion === maxVersion ? String(minVersion) : `${minVersion}–${maxVersion}`;
  const flexible = api.request.head.flexible;
  return [
    String(api.key),
    api.name,
    range,
    flexible === undefined ? "never" : `${flexible}+`,
    notesOf(api).kips,
  ];
}

/** Aligned, as the formatter would have it. */
function table(columns: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const cell = (row: readonly string[], at: number): string => row[at] ?? "";
  const widths = columns.map((name, at) =>
    Math.max(3, name.length, ...rows.map((row) => cell(row, at).length)),
  );
  const line = (row: readonly string[]): string =>
    `| ${widths.map((width, at) => cell(row, at).padEnd(width)).join(" | ")} |`;
  return [line(columns), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)];
}

if (process.argv[1] !== undefined && import.meta.filename === process.argv[1]) {
  const page = protocolSupport();
  if (process.argv.includes("--check")) {
    if (readFileSync(PAGE, "utf8") !== page) {
      console.error("docs/protocol-support.md is not up to date");
      process.exitCode = 1;
    }
  } else writeFileSync(PAGE, page);
}
