import type { Topic } from "../cluster/topic.ts";
import type { Scheduler } from "../lib/clock.ts";
import type { Millis } from "../lib/units.ts";
import { ProtocolError } from "./errors.ts";
import type { MetadataView, TopicImage } from "./metadata/view.ts";
import { ErrorCode } from "./protocol/error-codes.ts";

/** Waits until this broker sees of a topic what was written. */
export class TopicWait {
  readonly #metadata: MetadataView;
  readonly #scheduler: Scheduler;

  constructor(metadata: MetadataView, scheduler: Scheduler) {
    this.#metadata = metadata;
    this.#scheduler = scheduler;
  }

  /** Waits for this broker's view to show it. Rejects with REQUEST_TIMED_OUT. */
  until(
    shown: (image: TopicImage | undefined) => boolean,
    name: string,
    timeout: Millis,
  ): Promise<void> {
    const metadata = this.#metadata;
    return new Promise((resolve, reject) => {
      if (shown(metadata.topics.get(name))) {
        resolve();
        return;
      }
      const timer = this.#scheduler.after(timeout, () => {
        stop();
        reject(new ProtocolError(ErrorCode.REQUEST_TIMED_OUT, `Topic '${name}' is not there yet.`));
      });
      const stop = metadata.onChange(() => {
        if (!shown(metadata.topics.get(name))) return;
        stop();
        timer.cancel();
        resolve();
      });
    });
  }

  /** Until this broker's view is as new as what was written, or the topic is gone. Rejects with REQUEST_TIMED_OUT. */
  shows(image: TopicImage, written: Topic, timeout: Millis): Promise<void> {
    return this.until(
      (now) =>
        now?.topicId !== image.topicId || now.generation >= (written.metadata.generation ?? 0),
      image.name,
      timeout,
    );
  }
}
