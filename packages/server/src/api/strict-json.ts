import { BunkmsError } from "@bunkms/contract";

/** JSON nested deeper than this is refused; no request of the contract needs more than three levels. */
const MAX_DEPTH = 16;
/** Objects and arrays with more members in all are refused. */
const MAX_MEMBERS = 10_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Parses JSON (RFC 8259) and refuses what parsers disagree about: a name twice in one object (RFC 8259 section 4 leaves
 * open which one counts), deep nesting, ill-formed UTF-8.
 * @throws BunkmsError `invalid_request`, which does not repeat anything of the text.
 */
export function parseStrictJson(bytes: Uint8Array): unknown {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new BunkmsError("invalid_request", "the body is not valid UTF-8");
  }
  refuseAmbiguous(text);
  try {
    value = JSON.parse(text);
  } catch {
    throw new BunkmsError("invalid_request", "the body is not valid JSON");
  }
  return value;
}

/**
 * One walk over the text, before it is parsed: it only has to be right about valid JSON, since JSON.parse judges the
 * rest. Names are compared as they are after unescaping, so that `"a"` and `"\u0061"` are the same name.
 */
function refuseAmbiguous(text: string): void {
  const scopes: (Set<string> | undefined)[] = [];
  let members = 0;
  let expectName = false;
  for (let i = 0; i < text.length; i++) {
    switch (text[i]) {
      case '"': {
        const end = stringEnd(text, i);
        const names = scopes.at(-1);
        if (expectName && names !== undefined) {
          const name = decodeName(text.slice(i, end + 1));
          if (names.has(name)) {
            throw new BunkmsError("invalid_request", "the body has the same name twice in one object");
          }
          names.add(name);
          expectName = false;
        }
        i = end;
        break;
      }
      case "{":
      case "[":
        if (scopes.length === MAX_DEPTH) {
          throw new BunkmsError("invalid_request", "the body is nested too deeply");
        }
        expectName = text[i] === "{";
        scopes.push(expectName ? new Set() : undefined);
        members += 1;
        break;
      case "}":
      case "]":
        scopes.pop();
        expectName = false;
        break;
      case ",":
        members += 1;
        expectName = scopes.at(-1) !== undefined;
        break;
    }
    if (members > MAX_MEMBERS) {
      throw new BunkmsError("invalid_request", "the body has too many members");
    }
  }
}

/** Index of the quote that ends the string which begins at `start`; the text's last index when none does. */
function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) {
      backslashes += 1;
    }
    if (backslashes % 2 === 0) {
      return end;
    }
  }
  return text.length - 1;
}

function decodeName(literal: string): string {
  if (!literal.includes("\\") || literal.charCodeAt(literal.length - 1) !== QUOTE) {
    return literal.slice(1, -1);
  }
  try {
    return JSON.parse(literal);
  } catch {
    throw new BunkmsError("invalid_request", "the body is not valid JSON");
  }
}
