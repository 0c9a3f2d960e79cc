import { type Abuse, type AbuseName, type AbuseOptions, ABUSES } from "./abuses.ts";

/** Abuses a broker from a process of its own, so that whoever measures beside it has a loop to itself. */
export type AbuserCommand =
  | { readonly kind: "start"; readonly name: AbuseName; readonly options: AbuseOptions }
  | { readonly kind: "stop" };

let current: Abuse | undefined;

async function handle(command: AbuserCommand): Promise<void> {
  if (command.kind === "start") {
    current = await ABUSES[command.name](command.options);
    process.send?.({ kind: "started" });
  } else {
    const outcome = await current?.stop();
    current = undefined;
    process.send?.({ kind: "stopped", outcome });
  }
}

process.on("message", (command: AbuserCommand) => {
  handle(command).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
});
process.on("disconnect", () => process.exit(0));
process.send?.({ kind: "ready" });
