import { usage } from "../failure.ts";

/** One step from a JSON value into it: to a member of an object, or to each element of an array. */
export type PathStep = { readonly kind: "member"; readonly name: string } | { readonly kind: "elements" };

const STEP = /\.?\[\]|\.(?:([A-Za-z_][A-Za-z0-9_-]*)|("(?:[^"\\]|\\.)*"))/y;

/**
 * Reads a path such as `.items[].secret`: `.name` is the member of this name, `."any name"` too, with the name as a JSON
 * string; `[]` is each element; `.` alone is the value itself.
 * @throws Failure
 */
export function parseJsonPath(text: string): readonly PathStep[] {
  const steps: PathStep[] = [];
  if (text === ".") {
    return steps;
  }
  STEP.lastIndex = 0;
  while (STEP.lastIndex < text.length || steps.length === 0) {
    const [all, name, quoted] = STEP.exec(text) ?? [];
    if (all === undefined) {
      throw usage(
        "--json-path: not a path",
        "Give for example .items[].secret, or . when each line is one JSON string.",
      );
    }
    steps.push(all.endsWith("]") ? { kind: "elements" } : { kind: "member", name: name ?? unquoted(quoted ?? "") });
  }
  return steps;
}

function unquoted(text: string): string {
  try {
    return JSON.parse(text) as string;
  } catch {
    throw usage("--json-path: a quoted name is not a JSON string");
  }
}
