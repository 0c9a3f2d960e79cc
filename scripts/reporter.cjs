// mocha's "dot" for people, and the counts of a run in a file for scripts/test.mjs.
const { writeFileSync } = require("node:fs");
const { reporters } = require("mocha");

module.exports = class extends reporters.Dot {
  constructor(runner, options) {
    super(runner, options);
    runner.once("end", () => {
      const { passes, failures, pending } = this.stats;
      const file = process.env.MOCHA_REPORT;
      if (file) writeFileSync(file, JSON.stringify({ passes, failures, pending }));
    });
    runner.on("pending", (test) => console.log(`\n  skipped: ${test.fullTitle()}`));
  }
};
