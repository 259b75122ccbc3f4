import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { checkBoundaries } from "./checks/boundaries.ts";
import { checkBreaking } from "./checks/breaking.ts";
import { checkForbiddenText } from "./checks/forbidden-text.ts";
import { checkGenerated } from "./checks/generated.ts";
import { ROOT, runProgram } from "./run-program.ts";
import { ensureThirdPartyProtos } from "./third-party-protos.ts";

/** One check. It returns what is wrong, or nothing. */
interface Step {
  readonly name: string;
  run(): Promise<string>;
}

/** How one check went. */
export interface StepResult {
  readonly name: string;
  readonly passed: boolean;
  readonly milliseconds: number;
  /** What is wrong; empty when passed. */
  readonly output: string;
}

const GO_CLIENT = "clients/go";
/** The Go modules: the client, the strangers of the audit log's tests, and what exchanges files with the TypeScript client. */
const GO = [GO_CLIENT, "test/audit/go", "test/sdk/go"];
/** No modules: they are built within copies of the platform's. */
const GO_BUNBASE = ["test/bunbase/bundoc-probe", "test/bunbase/go"];
/** So that the files are looked at which only tests against a server have. */
const GO_TAGS = "-tags=integration";

/** A step that is one program: what it prints when it fails. */
function program(name: string, command: string, args: readonly string[], options = {}): Step {
  return {
    name,
    run: async () => {
      const { code, output } = await runProgram(command, args, options);
      return code === 0 ? "" : `${output}\n${command} ended with ${code}\n`;
    },
  };
}

const STEPS: readonly Step[] = [
  program("format and lint (biome)", "biome", ["check", "--error-on-warnings", "--max-diagnostics=50", "."]),
  program("types (tsc)", "tsc", ["-p", "tsconfig.json"]),
  { name: "boundaries of rooms and packages", run: () => checkBoundaries(ROOT) },
  { name: "no forbidden text", run: () => checkForbiddenText(ROOT) },
  { name: "generated files up to date", run: checkGenerated },
  program("contract lint (buf lint)", "buf", ["lint"]),
  program("contract format (buf format)", "buf", ["format", "proto", "--diff", "--exit-code"]),
  { name: "contract compatible with the last commit (buf breaking)", run: checkBreaking },
  { name: "Go format (gofmt)", run: async () => (await runProgram("gofmt", ["-l", ...GO, ...GO_BUNBASE])).output },
  ...GO.map((folder) => program(`Go vet ${folder}`, "go", ["vet", GO_TAGS, "./..."], { cwd: join(ROOT, folder) })),
  program("Go staticcheck", "go", ["tool", "-modfile=tools/go.mod", "staticcheck", GO_TAGS, "./..."], {
    cwd: join(ROOT, GO_CLIENT),
  }),
];

/** The names of all checks, in the order in which they run. */
export const CHECK_NAMES: readonly string[] = STEPS.map(({ name }) => name);

/**
 * Runs the checks, also when some fail.
 * @param report Called after each.
 * @param isWanted Which of them, by name; all unless said otherwise.
 */
export async function runChecks(
  report: (result: StepResult) => void,
  isWanted: (name: string) => boolean = () => true,
): Promise<readonly StepResult[]> {
  const results: StepResult[] = [];
  // Several steps read them; without them, each would fail for a reason of its own.
  await ensureThirdPartyProtos().catch(() => undefined);
  for (const step of STEPS.filter(({ name }) => isWanted(name))) {
    const start = performance.now();
    const output = await step.run().catch((error: unknown) => String(error));
    const result = {
      name: step.name,
      passed: output === "",
      milliseconds: Math.round(performance.now() - start),
      output,
    };
    results.push(result);
    report(result);
  }
  return results;
}
