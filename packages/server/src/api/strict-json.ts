import type { JsonObject } from "@bufbuild/protobuf";
import { BunkmsError } from "@bunkms/contract";

/** JSON nested deeper than this is refused; no request of the contract needs more than three levels. */
const MAX_DEPTH = 16;
/** Objects and arrays with more members in all are refused, if nothing else is said. */
const MAX_MEMBERS = 10_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const BRACKET = 0x5b;
const BRACKET_END = 0x5d;
const BRACE = 0x7b;
const BRACE_END = 0x7d;

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Parses JSON (RFC 8259) and refuses what parsers disagree about: a name twice in one object (RFC 8259 section 4 leaves
 * open which one counts), deep nesting, ill-formed UTF-8.
 * @throws BunkmsError `invalid_request`, which does not repeat anything of the text.
 */
export function parseStrictJson(bytes: Uint8Array, maxMembers = MAX_MEMBERS): unknown {
  let text: string;
  let value: unknown;
  try {
    text = UTF8.decode(bytes);
  } catch {
    throw new BunkmsError("invalid_request", "the body is not valid UTF-8");
  }
  const names = countNames(text, maxMembers);
  try {
    value = JSON.parse(text);
  } catch {
    throw new BunkmsError("invalid_request", "the body is not valid JSON");
  }
  // Of a name that stands twice in one object, in whatever spelling, JSON.parse keeps one.
  if (namesOf(value) !== names) {
    throw new BunkmsError("invalid_request", "the body has the same name twice in one object");
  }
  return value;
}

/**
 * One walk over the text, before it is parsed: it only has to be right about valid JSON, since JSON.parse judges the
 * rest.
 * @returns How many names all objects have together: in valid JSON each has a colon, and no other stands outside a string.
 */
function countNames(text: string, maxMembers: number): number {
  let names = 0;
  let depth = 0;
  let members = 0;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case QUOTE:
        i = stringEnd(text, i);
        break;
      case BRACE:
      case BRACKET:
        if (depth === MAX_DEPTH) {
          throw new BunkmsError("invalid_request", "the body is nested too deeply");
        }
        depth += 1;
        members += 1;
        break;
      case BRACE_END:
      case BRACKET_END:
        depth -= 1;
        break;
      case COMMA:
        members += 1;
        break;
      case COLON:
        names += 1;
        break;
    }
    if (members > maxMembers) {
      throw new BunkmsError("invalid_request", "the body has too many members");
    }
  }
  return names;
}

/** How many names the objects in a parsed value have together. It is not nested deeper than the walk allowed. */
function namesOf(value: unknown): number {
  if (typeof value !== "object" || value === null) {
    return 0;
  }
  const members = Object.values(value);
  let names = Array.isArray(value) ? 0 : members.length;
  for (const member of members) {
    names += namesOf(member);
  }
  return names;
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

/** Whether a JSON value is an object. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
