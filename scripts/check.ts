/** `npm run check`: all that can be said of the code without running it. */
import { runChecks } from "./check-steps.ts";

const results = await runChecks(({ name, passed, milliseconds }) => {
  console.log(`${passed ? "ok    " : "FAILED"} ${name} (${milliseconds} ms)`);
});
const failed = results.filter(({ passed }) => !passed);
for (const { name, output } of failed) {
  console.log(`\n--- ${name}\n${output.trimEnd()}`);
}
process.exitCode = failed.length === 0 ? 0 : 1;
