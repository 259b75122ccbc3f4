import type { TestEvent } from "node:test/reporters";

/** One test's end, one a line of the report. */
export interface ReportedTest {
  readonly name: string;
  /** Why it does not count as passed; absent if it does. */
  readonly problem?: string;
}

/**
 * A reporter for node:test that writes each test's end as a line of JSON. A test that was skipped or marked as to do
 * is a problem: nothing is left out silently. Suites do not count, the tests in them do.
 */
// biome-ignore lint/style/noDefaultExport: node:test looks for the default export.
export default async function* jsonReporter(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const { type, data } of source) {
    if ((type !== "test:pass" && type !== "test:fail") || data.details.type === "suite") {
      continue;
    }
    const problem =
      type === "test:fail"
        ? describe(data.details.error)
        : data.skip !== undefined || data.todo !== undefined
          ? "was skipped or marked as to do"
          : undefined;
    const line: ReportedTest = { name: data.name, ...(problem === undefined ? {} : { problem }) };
    yield `${JSON.stringify(line)}\n`;
  }
}

function describe(error: Error): string {
  const cause = error.cause instanceof Error ? error.cause : error;
  return cause.stack ?? cause.message;
}
