import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { ROOT, toolEnvironment } from "../../scripts/run-program.ts";
import type { ReportedTest } from "./json-reporter.ts";
import type { Failure, Tally } from "./tally.ts";

const COMPILE_CACHE = join(import.meta.dirname, "compile-cache.js");
const REPORTER = join(import.meta.dirname, "json-reporter.ts");

/** How one test file went. */
export interface FileResult extends Tally {
  /** Relative to the repository's root. */
  readonly file: string;
  readonly milliseconds: number;
  /** What the file printed. */
  readonly output: string;
}

export interface NodeTestOptions {
  /** Files at work at once. */
  readonly concurrency: number;
  /** A file that takes longer is killed with all its children, and fails. */
  readonly timeoutMs: number;
  /** Called after each file. */
  readonly report: (result: FileResult) => void;
}

/**
 * Runs test files, each in a process and a process group of its own, so that one that hangs can be ended without a
 * trace: node's own runner waits for ever for a test that never yields.
 */
export async function runNodeTests(files: readonly string[], options: NodeTestOptions): Promise<Tally> {
  const results: FileResult[] = [];
  const queue = [...files];
  const worker = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const result = await runFile(file, options.timeoutMs);
      results.push(result);
      options.report(result);
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, worker));
  return {
    passed: results.reduce((sum, { passed }) => sum + passed, 0),
    failures: results.flatMap(({ failures }) => failures),
  };
}

async function runFile(path: string, timeoutMs: number): Promise<FileResult> {
  const file = relative(ROOT, path);
  const folder = await mkdtemp(join(tmpdir(), "bunkms-report-"));
  const reportPath = join(folder, "report");
  const start = performance.now();
  try {
    const { ending, output } = await runProcess(path, reportPath, timeoutMs);
    const tests = parseReport(await readFile(reportPath, "utf8").catch(() => ""));
    const failures = tests.flatMap(({ name, problem }): readonly Failure[] =>
      problem === undefined ? [] : [{ name: `${file} › ${name}`, detail: problem }],
    );
    // A file that ends badly without a failed test crashed, hung, or was never a test.
    if (failures.length === 0 && (ending !== undefined || tests.length === 0)) {
      failures.push({ name: file, detail: `${ending ?? "has no tests"}\n${output}` });
    }
    return {
      file,
      passed: tests.filter(({ problem }) => problem === undefined).length,
      failures,
      milliseconds: Math.round(performance.now() - start),
      output,
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

interface ProcessEnd {
  /** How it ended, if not well. */
  readonly ending: string | undefined;
  readonly output: string;
}

function runProcess(path: string, reportPath: string, timeoutMs: number): Promise<ProcessEnd> {
  const reporter = [`--test-reporter=${REPORTER}`, `--test-reporter-destination=${reportPath}`];
  const options = ["--disable-warning=ExperimentalWarning", `--import=${COMPILE_CACHE}`, ...reporter];
  const child = spawn(process.execPath, [...options, path], {
    cwd: ROOT,
    env: toolEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let output = "";
  let timedOut = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const timer = setTimeout(() => {
    timedOut = true;
    endGroup(child.pid);
  }, timeoutMs);
  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ ending: error.message, output }));
    child.on("exit", () => {
      clearTimeout(timer);
      // Servers that a test left running would hold the output open, and ports and folders too.
      endGroup(child.pid);
    });
    child.on("close", (code, signal) => {
      const ending = timedOut ? `did not end within ${timeoutMs / 1000} s` : describeEnd(code, signal);
      resolve({ ending, output });
    });
  });
}

function endGroup(pid: number | undefined): void {
  try {
    process.kill(-(pid as number), "SIGKILL");
  } catch {
    // All of the group have ended already.
  }
}

function describeEnd(code: number | null, signal: string | null): string | undefined {
  return code === 0 ? undefined : `ended with ${code === null ? signal : `exit code ${code}`}`;
}

/** The last line is cut when the process was killed while it wrote. */
function parseReport(text: string): readonly ReportedTest[] {
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as ReportedTest);
}
