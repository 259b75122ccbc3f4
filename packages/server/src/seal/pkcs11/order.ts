import { SealUnavailable } from "../seal.ts";

/** The mechanisms by which a token's key may wrap; `rsa-oaep` is with SHA-256. */
export const PKCS11_MECHANISMS = Object.freeze(["aes-gcm", "aes-kw", "rsa-oaep", "rsa-oaep-sha1"] as const);
export type Pkcs11Mechanism = (typeof PKCS11_MECHANISMS)[number];

/** What a call to the token is to do. It holds no secret. */
export interface Order {
  readonly action: "wrap" | "unwrap";
  /** The module's path. */
  readonly module: string;
  /** A token's label, or `serial:` and its serial number. */
  readonly token: string;
  readonly keyLabel: string;
  /** CKA_ID in hexadecimal digits; empty when any will do. */
  readonly keyId: string;
  /** The mechanism to wrap with; unwrapping takes the one that is recorded. */
  readonly mechanism: Pkcs11Mechanism;
}

/** How a call went. */
export interface Outcome {
  readonly result: "done" | "failure" | "unavailable" | "pin-refused";
  /** Why not, for people; empty when done. */
  readonly text: string;
}

/** The token refused the PIN, or must not be given it: the same one is not to be tried again. */
export class PinRefused extends SealUnavailable {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "PinRefused";
  }
}

/** An order or an outcome, and the byte strings that go with it, as one message between two processes. */
export function joinMessage(head: Order | Outcome, ...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    [Buffer.from(JSON.stringify(head)), ...parts].flatMap((part) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(part.length);
      return [length, part];
    }),
  );
}

/** @returns The parts as views of `message`. @throws RangeError when it is cut short. */
export function splitMessage(message: Buffer): readonly Buffer[] {
  const parts: Buffer[] = [];
  for (let start = 0; start < message.length; ) {
    const end = start + 4 + message.readUInt32BE(start);
    if (end > message.length) throw new RangeError("a message was cut short");
    parts.push(message.subarray(start + 4, end));
    start = end;
  }
  return parts;
}
