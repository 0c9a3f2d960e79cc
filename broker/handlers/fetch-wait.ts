import type { Scheduler } from "../../lib/clock.ts";
import type { Millis } from "../../lib/units.ts";

/**
 * Until `wake` is called, or the time is up: at the end of that turn, so that whatever else happens in it is seen
 * together.
 * @param listen has `wake` called by whatever is waited for, and gives what ends that.
 */
export function untilWoken(
  scheduler: Scheduler,
  timeout: Millis,
  listen: (wake: () => void) => readonly (() => void)[],
): Promise<void> {
  return new Promise((resolve) => {
    let stops: readonly (() => void)[] = [];
    let woken = false;
    const wake = (): void => {
      if (woken) return;
      woken = true;
      timer.cancel();
      for (const stop of stops) stop();
      scheduler.soon(resolve);
    };
    const timer = scheduler.after(timeout, wake);
    stops = listen(wake);
    // What has called it while it listened could not be told to stop.
    if (woken) for (const stop of stops) stop();
  });
}
