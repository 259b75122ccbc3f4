/** One command of a transcript and what must come of it. */
export interface Step {
  /** Line number of the command, from 1. */
  readonly line: number;
  /** For bash. */
  readonly command: string;
  /** What standard output and standard error together must match. */
  readonly expected: readonly string[];
  readonly exitCode: number;
}

/** What stands for a value that differs from run to run. */
const PLACEHOLDERS: ReadonlyMap<string, string> = new Map([
  ["id", "[0-9a-f]{32}"],
  ["time", "\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(?:\\.\\d+)?Z"],
  ["token", "bkms_[A-Za-z0-9_]+"],
  ["share", "bkms1(?:-[a-z0-9]{5}){15}"],
  ["base64", "[A-Za-z0-9+/]+={0,2}"],
  ["url", "http://127\\.0\\.0\\.1:\\d+"],
  ["request", "[A-Za-z0-9-]+"],
  ["number", "\\d+"],
  ["any", ".*"],
]);

/**
 * Reads a transcript: `$ ` begins a command, `> ` goes on with it, `? ` gives the exit code when it is not 0, `# ` is
 * text for the reader; everything else is output.
 * @throws Error that names the line.
 */
export function parseTranscript(text: string): readonly Step[] {
  const steps: { line: number; command: string; expected: string[]; exitCode: number }[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const step = steps.at(-1);
    if (line.startsWith("$ ")) {
      steps.push({ line: index + 1, command: line.slice(2), expected: [], exitCode: 0 });
    } else if (line.startsWith("#")) {
      // For the reader.
    } else if (step === undefined) {
      if (line !== "") {
        throw new Error(`line ${index + 1}: output without a command`);
      }
    } else if (line.startsWith("> ")) {
      step.command += `\n${line.slice(2)}`;
    } else if (line.startsWith("? ")) {
      step.exitCode = Number(line.slice(2));
    } else {
      step.expected.push(line);
    }
  }
  return steps.map((step) => ({ ...step, expected: trimBlank(step.expected) }));
}

/**
 * Makes the pattern of an expected output. `<id>` and the like stand for values, `...` alone on a line for any lines, and
 * two blanks or more for two or more, because columns are as wide as their values.
 * @throws Error for an unknown placeholder.
 */
export function outputPattern(expected: readonly string[]): RegExp {
  const lines = expected.map((line) => (line === "..." ? "(?:.*\\n)*?" : `${linePattern(line)}\\n`));
  return new RegExp(`^${lines.join("")}$`);
}

function linePattern(line: string): string {
  return line
    .split(/(<[a-z0-9]+>| {2,})/)
    .map((part) => {
      if (/^ {2,}$/.test(part)) {
        return " {2,}";
      }
      const name = /^<([a-z0-9]+)>$/.exec(part)?.[1];
      if (name === undefined) {
        return RegExp.escape(part);
      }
      const pattern = PLACEHOLDERS.get(name);
      if (pattern === undefined) {
        throw new Error(`there is no placeholder ${part}`);
      }
      return pattern;
    })
    .join("");
}

function trimBlank(lines: readonly string[]): readonly string[] {
  const last = lines.findLastIndex((line) => line !== "");
  return lines.slice(0, last + 1);
}
