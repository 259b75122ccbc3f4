import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT, runProgram } from "../../scripts/run-program.ts";

/** What goes wrong with one operation, of one kind. */
interface ReportedFailure {
  readonly code: string;
  readonly title: string;
  /** Method and path; the path is not always one of the description. */
  readonly operations: readonly string[];
}

/** The part of schemathesis's JSON report that is used here. */
export interface Report {
  readonly seed: number;
  readonly complete: boolean;
  readonly operations: { readonly selected: number; readonly tested: number };
  readonly test_cases: {
    readonly generated: number;
    /** Those that no check looked at. */
    readonly without_checks: number;
  };
  readonly failures: readonly ReportedFailure[];
  readonly errors: readonly unknown[];
}

export interface SchemathesisOptions {
  /** Base address of the server, without a trailing slash. */
  readonly url: string;
  readonly token: string;
  readonly seed: number;
  /** Most random requests for each operation, besides the systematic ones. */
  readonly maxExamples: number;
  /** More arguments. */
  readonly args?: readonly string[];
}

const VENV = join(ROOT, ".cache", "venv", "bin");
const CONFIG = join(import.meta.dirname, "schemathesis.toml");

/**
 * Drives a server with requests that fit its description and requests that do not, with all of schemathesis's checks.
 * @returns The report, and what was printed, in which a failure's request and answer are.
 * @throws Error when it did not get as far as a report.
 */
export async function runSchemathesis(options: SchemathesisOptions): Promise<{ report: Report; output: string }> {
  const folder = await mkdtemp(join(tmpdir(), "bunkms-schemathesis-"));
  try {
    const reportPath = join(folder, "report.json");
    const { output } = await runProgram(
      join(VENV, "schemathesis"),
      [
        ...["--config-file", CONFIG],
        ...["run", `${options.url}/openapi.json`],
        ...["--seed", String(options.seed), "--max-examples", String(options.maxExamples)],
        ...["--report", "json", "--report-json-path", reportPath],
        ...(options.args ?? []),
      ],
      // Whatever else it leaves (its data base of examples) goes with the folder.
      { cwd: folder, env: { BUNKMS_TEST_TOKEN: options.token } },
    );
    const text = await readFile(reportPath, "utf8").catch(() => {
      throw new Error(`schemathesis made no report\n${output}`);
    });
    return { report: JSON.parse(text) as Report, output };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What the validator of OpenAPI documents says of a file; empty when it is a valid one. */
export async function validateOpenApi(path: string): Promise<string> {
  const { code, output } = await runProgram(join(VENV, "openapi-spec-validator"), ["--schema", "3.1", path]);
  return code === 0 ? "" : output;
}
