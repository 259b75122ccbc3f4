import { BunkmsError, type OperationSpec } from "@bunkms/contract";
import type { PathValues } from "./rest-request.ts";

/** What a path leads to. */
export interface Route {
  readonly operation: OperationSpec | BunkmsError;
  readonly path: PathValues;
  /** Methods that the path has, for a 405's Allow. */
  readonly allow: readonly string[];
}

const NO_VALUES: PathValues = new Map();

/**
 * Finds operations by the path templates of the contract (google.api.http). Segments are split first and decoded once
 * after, so that an encoded slash never makes two segments of one; a variable of the rest (`{name=**}`) takes the
 * decoded segments joined. What the handler and the policy get is this one decoded value, and the contract's rule for
 * names, checked later, lets no `.`, `..`, empty segment or control character pass.
 */
export class Router {
  readonly #specs: readonly OperationSpec[];

  constructor(specs: readonly OperationSpec[]) {
    // Fixed text before variables: /v1/tokens/self is not /v1/tokens/{id}.
    this.#specs = specs.toSorted((a, b) => variables(a) - variables(b));
  }

  find(method: string, rawPath: string): Route {
    const segments = decodeSegments(rawPath);
    if (segments === undefined) {
      return { operation: new BunkmsError("unknown_operation"), path: NO_VALUES, allow: [] };
    }
    const allow: string[] = [];
    let template: string | undefined;
    for (const spec of this.#specs) {
      const path = match(spec, segments);
      // The first template that fits is the path's only one, as OpenAPI has it: concrete before templated.
      template ??= path && spec.route.template;
      if (path !== undefined && spec.route.template === template) {
        const methods = [spec.route.method, spec.route.otherMethod].filter((known) => known !== undefined);
        if (methods.some((known) => known === method)) {
          return { operation: spec, path, allow: [] };
        }
        allow.push(...methods);
      }
    }
    const code = allow.length > 0 ? "method_not_allowed" : "unknown_operation";
    return { operation: new BunkmsError(code), path: NO_VALUES, allow };
  }
}

function variables(spec: OperationSpec): number {
  return spec.route.segments.filter((segment) => segment.kind !== "text").length;
}

function match(spec: OperationSpec, segments: readonly string[]): PathValues | undefined {
  const pattern = spec.route.segments;
  const hasRest = pattern.at(-1)?.kind === "rest";
  if (hasRest ? segments.length < pattern.length : segments.length !== pattern.length) {
    return undefined;
  }
  const values = new Map<string, string>();
  for (const [i, part] of pattern.entries()) {
    const segment = segments[i] as string;
    if (part.kind === "text") {
      if (part.text !== segment) {
        return undefined;
      }
    } else {
      values.set(part.field.name, part.kind === "one" ? segment : segments.slice(i).join("/"));
    }
  }
  return values;
}

/** The path's segments, decoded; undefined for a path that is none: no leading slash, an empty segment, bad encoding. */
function decodeSegments(rawPath: string): readonly string[] | undefined {
  if (!rawPath.startsWith("/") || rawPath.length > 4096) {
    return undefined;
  }
  const segments = rawPath.slice(1).split("/");
  if (segments.includes("")) {
    return undefined;
  }
  if (!rawPath.includes("%")) {
    return segments;
  }
  try {
    return segments.map(decodeURIComponent);
  } catch {
    return undefined;
  }
}
