import { readFileSync } from "node:fs";
import path from "node:path";

/** A request as a real client sent it. */
export interface RecordedFrame {
  readonly client: string;
  readonly apiKey: number;
  readonly version: number;
  /** Without its size. */
  readonly frame: Uint8Array;
}

const FILE = path.join(import.meta.dirname, "..", "conformance", "frames", "requests.txt");

export function recordedFrames(): readonly RecordedFrame[] {
  return readFileSync(FILE, "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const [client = "", apiKey, version, frame = ""] = line.split(" ");
      return {
        client,
        apiKey: Number(apiKey),
        version: Number(version),
        frame: new Uint8Array(Buffer.from(frame, "base64")),
      };
    });
}
