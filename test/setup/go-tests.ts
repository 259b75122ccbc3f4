import { runProgram } from "../../scripts/run-program.ts";
import type { Failure, Tally } from "./tally.ts";

/** One line of `go test -json` (cmd/test2json). */
interface GoEvent {
  readonly Action: string;
  readonly Package?: string;
  readonly Test?: string;
  readonly Output?: string;
}

/** Runs all Go tests of a module that need no server, under the race detector and without cached results. */
export async function runGoTests(folder: string): Promise<Tally> {
  const { code, output } = await runProgram("go", ["test", "-json", "-count=1", "-race", "./..."], { cwd: folder });
  return readGoEvents(output, code);
}

/**
 * Counts the results in what `go test -json` printed. A test that was skipped is a failure: nothing is left out silently.
 * @param code The exit code of go test.
 */
export function readGoEvents(text: string, code: number): Tally {
  const outputs = new Map<string, string>();
  const failures: Failure[] = [];
  let passed = 0;
  for (const line of text.split("\n").filter((candidate) => candidate.startsWith("{"))) {
    const { Action: action, Package: unit = "", Test: test, Output: output = "" } = JSON.parse(line) as GoEvent;
    const name = test === undefined ? unit : `${unit} › ${test}`;
    if (action === "output") {
      outputs.set(name, (outputs.get(name) ?? "") + output);
    } else if (test !== undefined && action === "pass") {
      passed += 1;
    } else if (test !== undefined && (action === "fail" || action === "skip")) {
      failures.push({ name, detail: outputs.get(name) ?? action });
    }
  }
  if (failures.length === 0 && (code !== 0 || passed === 0)) {
    // A package that does not build has no failed test.
    failures.push({ name: "go test", detail: code === 0 ? "ran no test" : text });
  }
  return { passed, failures };
}
