import { HELP } from "./help.ts";
import { UsageError } from "./usage-error.ts";

/**
 * The command line (edge): runs one command and sets the exit code; 1 for what failed, 2 for what was not understood.
 * Each command loads only what it needs, so that a broker pod does not carry the operator.
 */
export async function main(args: readonly string[]): Promise<void> {
  const [command, ...rest] = args;
  try {
    switch (command) {
      case "local": {
        const { localCommand } = await import("./local.ts");
        await localCommand(rest);
        return;
      }
      case "broker": {
        const { runBroker } = await import("../broker/main.ts");
        await runBroker(process.env);
        return;
      }
      case "operator": {
        const { runOperator } = await import("../operator/main.ts");
        const { configProblem } = await import("../broker/config.ts");
        await runOperator(process.env, configProblem);
        return;
      }
      case undefined:
      case "help":
      case "-h":
      case "--help":
        process.stdout.write(HELP);
        return;
      case "version":
      case "-v":
      case "--version": {
        const { version } = await import("./version.ts");
        process.stdout.write(`forebay ${version()} (Node ${process.versions.node})\n`);
        return;
      }
      default:
        throw new UsageError(`unknown command "${command}"`);
    }
  } catch (error) {
    const usage = error instanceof UsageError;
    const text = error instanceof Error ? error.message : String(error);
    process.stderr.write(`forebay: ${text}\n${usage ? 'Try "forebay help".\n' : ""}`);
    process.exitCode = usage ? 2 : 1;
  }
}
