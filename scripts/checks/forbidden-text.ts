import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "../run-program.ts";

/** A pattern that must not occur, where, and why. */
interface Rule {
  readonly files: RegExp;
  readonly text: RegExp;
  readonly why: string;
}

const TESTS = /(\.test\.ts|_test\.go|^test\/.*\.ts)$/;
const RULES: readonly Rule[] = [
  // Spelt so that no rule finds itself.
  { files: /./, text: /\bTO(?:DO)\b|\bFIX(?:ME)\b/, why: "unfinished work belongs in an issue" },
  {
    files: TESTS,
    text: /\b(?:test|it|describe|suite|t)\.(?:only|skip|todo)\b/i,
    why: "a test left out proves nothing",
  },
  { files: /./, text: /(?<![\w.$}~-])\/(?:work|root|home)\/\w/, why: "a path of one machine" },
];

/**
 * Looks for forbidden text in all files that are, or are about to be, in the repository.
 * @returns `file:line: why` lines; empty if nothing was found.
 */
export async function checkForbiddenText(root: string): Promise<string> {
  const names = await mustRun("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], { cwd: root });
  const findings: string[] = [];
  for (const name of names.split("\0").filter((entry) => entry !== "")) {
    // A file that is deleted but not yet committed is listed too.
    const text = await readFile(join(root, name), "utf8").catch(() => "");
    findings.push(...findForbiddenText(name, text));
  }
  return findings.join("");
}

/** The same for one file. */
export function findForbiddenText(name: string, text: string): readonly string[] {
  const rules = RULES.filter(({ files }) => files.test(name));
  return text
    .split("\n")
    .flatMap((line, index) =>
      rules.filter((rule) => rule.text.test(line)).map((rule) => `${name}:${index + 1}: ${rule.why}\n`),
    );
}
