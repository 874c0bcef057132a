/**
 * @file A vitest reporter that counts tests and tells the process that started the run.
 */

/** Sends `{ passed, failed, skipped }` at the end. Files and suites that failed outside a test count as failures too. */
export default class CountReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      const suites = [module, ...module.children.allSuites()];
      counts.failed += suites.filter((suite) => suite.errors().length > 0).length;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        // A test whose process died stays pending.
        counts[state === "pending" ? "failed" : state] += 1;
      }
    }
    process.send?.(counts);
  }
}
