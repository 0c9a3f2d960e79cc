import path from "node:path";
import { parseArgs } from "node:util";
import { UsageError } from "./usage-error.ts";

const DEFAULT_DIRECTORY = ".forebay";
const MAX_LOCAL_BROKERS = 32;

/** What `forebay local` was asked to do. */
export type LocalCommand =
  | { readonly kind: "ps" | "stop"; readonly directory: string }
  | {
      readonly kind: "start";
      readonly directory: string;
      /** Absent: as many as the folder has, or 3. */
      readonly brokers: number | undefined;
      /** Absent: as the folder has it, or 9092. */
      readonly port: number | undefined;
      readonly detach: boolean;
    };

/** @throws UsageError for anything that is not a command of `forebay local`. */
export function parseLocalCommand(args: readonly string[]): LocalCommand {
  const { values, positionals } = parsed(args);
  const directory = path.resolve(values.dir ?? DEFAULT_DIRECTORY);
  const [verb = "start", ...extra] = positionals;
  if (extra[0] !== undefined) throw new UsageError(`unexpected "${extra[0]}"`);
  switch (verb) {
    case "ps":
    case "stop":
      if (values.brokers !== undefined || values.port !== undefined || values.detach === true) {
        throw new UsageError(`local ${verb} takes only --dir`);
      }
      return { kind: verb, directory };
    case "start":
    case "up":
      return {
        kind: "start",
        directory,
        brokers: wholeNumber("--brokers", values.brokers, 1, MAX_LOCAL_BROKERS),
        port: wholeNumber("--port", values.port, 1, 65_535 - MAX_LOCAL_BROKERS),
        detach: values.detach === true,
      };
    default:
      throw new UsageError(`unknown command "local ${verb}"`);
  }
}

/** Runs `forebay local …` (edge). @throws Error with one line for the user when it cannot be done. */
export async function localCommand(args: readonly string[]): Promise<void> {
  const command = parseLocalCommand(args);
  switch (command.kind) {
    case "ps": {
      const { listBrokers } = await import("../local/instance.ts");
      for (const { id, pid } of await listBrokers(command.directory)) {
        process.stdout.write(`${String(id)} ${String(pid)}\n`);
      }
      return;
    }
    case "stop": {
      const { stopInstance } = await import("../local/instance.ts");
      const stopped = await stopInstance(command.directory);
      process.stdout.write(stopped ? "stopped\n" : "not running\n");
      return;
    }
    case "start": {
      if (command.detach) {
        const { startDetached } = await import("../local/detach.ts");
        await startDetached(command);
        return;
      }
      const { runLocal } = await import("../local/main.ts");
      await runLocal(command);
    }
  }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        brokers: { type: "string" },
        dir: { type: "string" },
        port: { type: "string" },
        detach: { type: "boolean" },
      },
    });
  } catch (error) {
    // The first sentence says what is wrong; the rest is advice about "--" that does not apply here.
    const text = error instanceof Error ? error.message : String(error);
    throw new UsageError(text.split(". ")[0] ?? text);
  }
}

function wholeNumber(
  name: string,
  text: string | undefined,
  min: number,
  max: number,
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new UsageError(`${name} must be a number from ${String(min)} to ${String(max)}`);
}
