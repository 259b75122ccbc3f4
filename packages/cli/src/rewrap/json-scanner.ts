import { type Failure, usage } from "../failure.ts";
import { CIPHERTEXT_LIMIT } from "../inputs.ts";
import type { PathStep } from "./json-path.ts";
import type { Container, Part, Place } from "./parts.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NEWLINE = 0x0a;
const FIRST_PRINTABLE = 0x20;
const BLANKS = new Set([0x20, 0x09, 0x0d, NEWLINE]);
const SCALAR_BYTES = new Set(Buffer.from("-+.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"));
const SCALAR = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;
const SCALAR_LIMIT = 1024;
const DEPTH_LIMIT = 1000;

/** What may come next outside of strings and scalars; at `first…` the container may end as well. */
type Expected = "value" | "firstElement" | "key" | "firstKey" | "colon" | "separator";

/** A string or scalar that has begun. */
interface Token {
  readonly kind: "key" | "text" | "ciphertext" | "scalar";
  /** Whether its value matters: a key on the path, a ciphertext, a scalar. */
  readonly isKept: boolean;
  readonly pieces: Buffer[];
  length: number;
}

/**
 * Finds the strings at a path in JSON (RFC 8259), one text or several one after the other, in bytes that come in pieces of
 * any size. It holds one string at most, and all that it does not look for goes out byte for byte: parsers at hand hold
 * whole documents, and write them otherwise than they were.
 */
export class JsonScanner {
  readonly #path: readonly PathStep[];
  readonly #open: Container[];
  #offset: number;
  #line: number;
  #expected: Expected;
  #token: Token | undefined;
  #isEscaped = false;
  #key = "";

  constructor(path: readonly PathStep[], from: Place) {
    this.#path = path;
    this.#open = [...from.open];
    this.#offset = from.offset;
    this.#line = from.line;
    this.#expected = this.#afterValue();
  }

  /** Takes the next bytes, which the parts may be views of. @throws Failure that names the line. */
  *feed(chunk: Buffer): Generator<Part> {
    let gone = 0;
    for (let at = 0; at < chunk.length; ) {
      if (this.#token === undefined) {
        this.#token = this.#structure(chunk[at] ?? 0);
        if (this.#token?.kind === "ciphertext") {
          yield { kind: "copy", bytes: chunk.subarray(gone, at) };
        }
        // A scalar has no quote before it.
        at += this.#token?.kind === "scalar" ? 0 : 1;
        continue;
      }
      const end = this.#endOfToken(chunk, at, this.#token);
      this.#keep(chunk.subarray(at, end), this.#token);
      at = end ?? chunk.length;
      if (end !== undefined) {
        const { kind, pieces } = this.#token;
        this.#finish(this.#token);
        if (kind === "ciphertext") {
          yield this.#ciphertext(pieces, this.#offset + at);
          gone = at;
        }
      }
    }
    if (this.#token?.kind !== "ciphertext") {
      yield { kind: "copy", bytes: chunk.subarray(gone) };
    }
    this.#offset += chunk.length;
  }

  /** @throws Failure when the text is not whole. */
  end(): void {
    if (this.#token?.kind === "scalar") {
      this.#finish(this.#token);
    }
    if (this.#token !== undefined || this.#open.length > 0 || this.#expected !== "value") {
      throw usage("the file ends in the middle of a JSON text");
    }
  }

  /** Takes a byte outside of tokens. @returns the token that it begins. */
  #structure(byte: number): Token | undefined {
    if (BLANKS.has(byte)) {
      this.#line += byte === NEWLINE ? 1 : 0;
      return undefined;
    }
    const character = String.fromCharCode(byte);
    const container = this.#open.at(-1);
    switch (this.#expected) {
      case "firstElement":
      case "value":
        if (character === "]" && this.#expected === "firstElement") {
          return this.#close();
        }
        return this.#beginValue(character, this.#stepOfValue());
      case "firstKey":
      case "key":
        if (character === "}" && this.#expected === "firstKey") {
          return this.#close();
        }
        return character === '"' ? token("key", (container?.step ?? -1) >= 0) : this.#fail();
      case "colon":
        this.#expected = character === ":" ? "value" : this.#fail();
        return undefined;
      case "separator":
        if (character === ",") {
          this.#expected = container?.kind === "array" ? "value" : "key";
          return undefined;
        }
        return character === (container?.kind === "array" ? "]" : "}") ? this.#close() : this.#fail();
    }
  }

  #beginValue(character: string, step: number): Token | undefined {
    const isAtPath = step === this.#path.length;
    if (character === '"') {
      return isAtPath ? token("ciphertext", true, Buffer.from('"')) : token("text", false);
    }
    if (character !== "{" && character !== "[") {
      return token("scalar", true);
    }
    if (isAtPath) {
      throw this.#noString();
    }
    if (this.#open.length === DEPTH_LIMIT) {
      throw usage(`line ${this.#line}: this JSON is nested deeper than ${DEPTH_LIMIT} levels`);
    }
    this.#open.push({ kind: character === "{" ? "object" : "array", step });
    this.#expected = character === "{" ? "firstKey" : "firstElement";
    return undefined;
  }

  #close(): undefined {
    this.#open.pop();
    this.#expected = this.#afterValue();
  }

  #afterValue(): Expected {
    return this.#open.length === 0 ? "value" : "separator";
  }

  /** How many steps of the path lead to the value that comes next; -1 when it is not on the path. */
  #stepOfValue(): number {
    const container = this.#open.at(-1);
    if (container === undefined) {
      return 0;
    }
    const step = container.step < 0 ? undefined : this.#path[container.step];
    const isOnPath =
      container.kind === "array" ? step?.kind === "elements" : step?.kind === "member" && step.name === this.#key;
    return isOnPath ? container.step + 1 : -1;
  }

  /** The index after the token's last byte; undefined when it goes on in the next chunk. */
  #endOfToken(chunk: Buffer, from: number, { kind }: Token): number | undefined {
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0;
      if (kind === "scalar") {
        if (!SCALAR_BYTES.has(byte)) {
          return at;
        }
      } else if (this.#isEscaped) {
        this.#isEscaped = false;
      } else if (byte === BACKSLASH) {
        this.#isEscaped = true;
      } else if (byte === QUOTE) {
        return at + 1;
      } else if (byte < FIRST_PRINTABLE) {
        this.#fail();
      }
    }
    return undefined;
  }

  #keep(piece: Buffer, kept: Token): void {
    if (!kept.isKept) {
      return;
    }
    kept.pieces.push(piece);
    kept.length += piece.length;
    if (kept.length > (kept.kind === "scalar" ? SCALAR_LIMIT : CIPHERTEXT_LIMIT)) {
      throw usage(`line ${this.#line}: a JSON value is longer than what stands there can be`);
    }
  }

  #finish({ kind, isKept, pieces }: Token): void {
    this.#token = undefined;
    if (kind === "key") {
      this.#key = isKept ? this.#text(Buffer.concat([Buffer.from('"'), ...pieces])) : "";
      this.#expected = "colon";
      return;
    }
    if (kind === "scalar") {
      const text = Buffer.concat(pieces).toString("latin1");
      if (!SCALAR.test(text)) {
        this.#fail();
      }
      if (text !== "null" && this.#stepOfValue() === this.#path.length) {
        throw this.#noString();
      }
    }
    this.#expected = this.#afterValue();
  }

  #ciphertext(pieces: readonly Buffer[], offset: number): Part {
    const bytes = Buffer.concat(pieces);
    const after = { offset, line: this.#line, open: [...this.#open] };
    return { kind: "item", bytes, ciphertext: this.#text(bytes), after };
  }

  #text(quoted: Buffer): string {
    try {
      return JSON.parse(quoted.toString("utf8")) as string;
    } catch {
      return this.#fail();
    }
  }

  #noString(): Failure {
    return usage(`line ${this.#line}: what stands at the path is no string`, "Check --json-path.");
  }

  #fail(): never {
    throw usage(`line ${this.#line}: this is not JSON`);
  }
}

function token(kind: Token["kind"], isKept: boolean, ...pieces: Buffer[]): Token {
  return { kind, isKept, pieces, length: 0 };
}
