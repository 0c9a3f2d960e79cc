// mocha's "dot" for people, and a run's counts and failures in a file for scripts/test.mjs.
const { writeFileSync } = require("node:fs");
const { reporters } = require("mocha");

const END_MS = 30_000;
const REASON_LENGTH = 1000;

module.exports = class extends reporters.Dot {
  constructor(runner, options) {
    super(runner, options);
    const failed = [];
    runner.on("fail", (test, error) => {
      const reason = String(error.message).replace(/\s+/g, " ");
      failed.push(`${test.fullTitle()}: ${reason.slice(0, REASON_LENGTH)}`);
    });
    runner.once("end", () => {
      const { passes, failures, pending } = this.stats;
      const file = process.env.MOCHA_REPORT;
      if (file) writeFileSync(file, JSON.stringify({ passes, failures, pending, failed }));
      // What a test has left running would keep the suite from ending: that is a failure, and not a wait for ever.
      setTimeout(() => {
        console.error(`not ended ${END_MS / 1000} s after its last test: something is still open`);
        process.exit(Math.max(1, failures));
      }, END_MS).unref();
    });
    runner.on("pending", (test) => console.log(`\n  skipped: ${test.fullTitle()}`));
  }
};
