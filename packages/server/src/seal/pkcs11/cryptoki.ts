import { dlopen } from "node:ffi";
import { wipe } from "../../crypto/kdf.ts";
import { CKF_SERIAL_SESSION, CKR_OK, CKR_USER_ALREADY_LOGGED_IN, CKU_USER, nameOfResult } from "./codes.ts";
import { layOut, word } from "./memory.ts";

/**
 * A PKCS #11 module (v2.40), through `node:ffi`: its functions are called by the names that it exports. node:ffi cannot call
 * an address, so the table of C_GetFunctionList is of no use.
 *
 * To be used in a process of its own only (token-call.ts says why), by one thread.
 *
 * Why this is safe in memory, beside what memory.ts says of structures:
 * - Every call is synchronous, and buffers passed as arguments are held by the call. What a mechanism points to may be
 *   read as late as by the call after its Init, so it is kept, by the `wipe` in `finally`, until that has returned.
 * - A module writes at most the length that it is given, and what it is given is the size of the buffer. Whatever length
 *   it then claims is compared with that size before it is used.
 * - CK_TOKEN_INFO has 208 bytes on 64-bit systems, for which 512 are there.
 * The argument ends where a signature below differs from pkcs11f.h.
 */
const FUNCTIONS = {
  C_Initialize: { arguments: ["pointer"], return: "u64" },
  C_Finalize: { arguments: ["pointer"], return: "u64" },
  C_GetSlotList: { arguments: ["u8", "buffer", "buffer"], return: "u64" },
  C_GetTokenInfo: { arguments: ["u64", "buffer"], return: "u64" },
  C_OpenSession: { arguments: ["u64", "u64", "pointer", "pointer", "buffer"], return: "u64" },
  C_Login: { arguments: ["u64", "u64", "buffer", "u64"], return: "u64" },
  C_FindObjectsInit: { arguments: ["u64", "buffer", "u64"], return: "u64" },
  C_FindObjects: { arguments: ["u64", "buffer", "u64", "buffer"], return: "u64" },
  C_FindObjectsFinal: { arguments: ["u64"], return: "u64" },
  C_GetAttributeValue: { arguments: ["u64", "u64", "buffer", "u64"], return: "u64" },
  C_CreateObject: { arguments: ["u64", "buffer", "u64", "buffer"], return: "u64" },
  C_EncryptInit: { arguments: ["u64", "buffer", "u64"], return: "u64" },
  C_Encrypt: { arguments: ["u64", "buffer", "u64", "buffer", "buffer"], return: "u64" },
  C_DecryptInit: { arguments: ["u64", "buffer", "u64"], return: "u64" },
  C_Decrypt: { arguments: ["u64", "buffer", "u64", "buffer", "buffer"], return: "u64" },
  C_WrapKey: { arguments: ["u64", "buffer", "u64", "u64", "buffer", "buffer"], return: "u64" },
  C_UnwrapKey: { arguments: ["u64", "buffer", "u64", "buffer", "u64", "buffer", "u64", "buffer"], return: "u64" },
} as const;

const NULL = 0n;
const TOKEN_PRESENT = 1;
const TOKEN_INFO_SIZE = 512;
const MAX_SLOTS = 1024;
/** More than any ciphertext here: RSA of 16,384 bits makes 2 KiB. */
const OUTPUT_SIZE = 4096;

type Functions = ReturnType<typeof dlopen<typeof FUNCTIONS>>["functions"];

/** A function of the module refused. Its text names the function and the return value, and nothing that was given to it. */
export class CryptokiError extends Error {
  readonly code: bigint;

  constructor(name: string, code: bigint) {
    super(`${name} answered ${nameOfResult(code)}`);
    this.name = "CryptokiError";
    this.code = code;
  }
}

/** What a token says of itself (CK_TOKEN_INFO). */
export interface TokenInfo {
  readonly label: string;
  readonly serial: string;
  readonly flags: bigint;
}

/** An attribute's type and value. */
export type Attribute = readonly [type: bigint, value: Uint8Array];

/** A mechanism (CK_MECHANISM): its number and the words of its parameters; an array or bytes stand for a pointer. */
export interface Mechanism {
  readonly type: bigint;
  readonly parameters: readonly (bigint | Uint8Array)[];
}

/** A loaded module. */
export class Cryptoki {
  readonly #functions: Functions;

  /** @throws Error when the file is no library, or lacks one of the functions. */
  constructor(path: string) {
    this.#functions = dlopen(path, FUNCTIONS).functions;
  }

  initialize(): void {
    check("C_Initialize", this.#functions.C_Initialize(NULL));
  }

  /** Ends all sessions. What it answers changes nothing: the work is done, and the process is about to end. */
  finalize(): void {
    this.#functions.C_Finalize(NULL);
  }

  /** The slots that hold a token. */
  slots(): readonly bigint[] {
    const { C_GetSlotList } = this.#functions;
    const count = word();
    // Asking for the number alone makes the module look which tokens are there (section 5.5, C_GetSlotList).
    check("C_GetSlotList", C_GetSlotList(TOKEN_PRESENT, null, count));
    const list = Buffer.alloc(MAX_SLOTS * 8);
    count.writeBigUInt64LE(BigInt(MAX_SLOTS));
    check("C_GetSlotList", C_GetSlotList(TOKEN_PRESENT, list, count));
    return wordsIn(list, count);
  }

  tokenInfo(slot: bigint): TokenInfo {
    const info = Buffer.alloc(TOKEN_INFO_SIZE);
    check("C_GetTokenInfo", this.#functions.C_GetTokenInfo(slot, info));
    return {
      label: padded(info.subarray(0, 32)),
      serial: padded(info.subarray(80, 96)),
      flags: info.readBigUInt64LE(96),
    };
  }

  openSession(slot: bigint): Session {
    const handle = word();
    check("C_OpenSession", this.#functions.C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, handle));
    return new Session(this.#functions, handle.readBigUInt64LE());
  }
}

/** A read-only session. Objects that it makes end with it, and it ends with {@link Cryptoki.finalize}. */
export class Session {
  readonly #functions: Functions;
  readonly #handle: bigint;

  constructor(functions: Functions, handle: bigint) {
    this.#functions = functions;
    this.#handle = handle;
  }

  login(pin: Uint8Array): void {
    const code = this.#functions.C_Login(this.#handle, CKU_USER, pin, BigInt(pin.length));
    if (code !== CKR_USER_ALREADY_LOGGED_IN) check("C_Login", code);
  }

  /** @returns The objects that have all the attributes; when there are several, at least two of them. */
  find(attributes: readonly Attribute[]): readonly bigint[] {
    const template = templateOf(attributes);
    const { C_FindObjectsInit, C_FindObjects, C_FindObjectsFinal } = this.#functions;
    check("C_FindObjectsInit", C_FindObjectsInit(this.#handle, template, BigInt(attributes.length)));
    try {
      const found: bigint[] = [];
      // A module may give fewer at a time than it has; that there are no more it says by giving none.
      while (found.length < 2) {
        const handles = Buffer.alloc(16);
        const count = word();
        check("C_FindObjects", C_FindObjects(this.#handle, handles, 2n, count));
        const some = wordsIn(handles, count);
        if (some.length === 0) break;
        found.push(...some);
      }
      return found;
    } finally {
      C_FindObjectsFinal(this.#handle);
      wipe(template);
    }
  }

  /** @param maxLength In bytes. */
  attribute(object: bigint, type: bigint, maxLength: number): Buffer {
    const template = templateOf([[type, Buffer.alloc(maxLength)]]);
    try {
      check("C_GetAttributeValue", this.#functions.C_GetAttributeValue(this.#handle, object, template, 1n));
      // CK_ATTRIBUTE is type, pointer and length; the value has its place right after it.
      const length = lengthIn(template.subarray(16, 24), maxLength);
      return Buffer.from(template.subarray(24, 24 + length));
    } finally {
      wipe(template);
    }
  }

  createObject(attributes: readonly Attribute[]): bigint {
    const template = templateOf(attributes);
    const handle = word();
    try {
      const { C_CreateObject } = this.#functions;
      check("C_CreateObject", C_CreateObject(this.#handle, template, BigInt(attributes.length), handle));
      return handle.readBigUInt64LE();
    } finally {
      wipe(template);
    }
  }

  encrypt(mechanism: Mechanism, key: bigint, data: Uint8Array): Buffer {
    const { C_EncryptInit, C_Encrypt } = this.#functions;
    return withMechanism(mechanism, (block) => {
      check("C_EncryptInit", C_EncryptInit(this.#handle, block, key));
      return output("C_Encrypt", (into, length) => C_Encrypt(this.#handle, data, BigInt(data.length), into, length));
    });
  }

  decrypt(mechanism: Mechanism, key: bigint, data: Uint8Array): Buffer {
    const { C_DecryptInit, C_Decrypt } = this.#functions;
    return withMechanism(mechanism, (block) => {
      check("C_DecryptInit", C_DecryptInit(this.#handle, block, key));
      return output("C_Decrypt", (into, length) => C_Decrypt(this.#handle, data, BigInt(data.length), into, length));
    });
  }

  wrapKey(mechanism: Mechanism, wrappingKey: bigint, key: bigint): Buffer {
    return withMechanism(mechanism, (block) =>
      output("C_WrapKey", (into, length) =>
        this.#functions.C_WrapKey(this.#handle, block, wrappingKey, key, into, length),
      ),
    );
  }

  unwrapKey(mechanism: Mechanism, key: bigint, wrapped: Uint8Array, attributes: readonly Attribute[]): bigint {
    const template = templateOf(attributes);
    const handle = word();
    const size = BigInt(wrapped.length);
    const count = BigInt(attributes.length);
    return withMechanism(mechanism, (block) => {
      const { C_UnwrapKey } = this.#functions;
      check("C_UnwrapKey", C_UnwrapKey(this.#handle, block, key, wrapped, size, template, count, handle));
      return handle.readBigUInt64LE();
    });
  }
}

function templateOf(attributes: readonly Attribute[]): Buffer {
  return layOut(attributes.flatMap(([type, value]) => [type, value, BigInt(value.length)]));
}

function withMechanism<T>({ type, parameters }: Mechanism, use: (block: Buffer) => T): T {
  const pointer = parameters.length === 0 ? NULL : parameters;
  const block = layOut([type, pointer, BigInt(parameters.length * 8)]);
  try {
    return use(block);
  } finally {
    wipe(block);
  }
}

/** The caller zeroes the result if it is secret. */
function output(name: string, write: (into: Buffer, length: Buffer) => bigint): Buffer {
  const into = Buffer.alloc(OUTPUT_SIZE);
  const length = word(BigInt(OUTPUT_SIZE));
  try {
    check(name, write(into, length));
    return Buffer.from(into.subarray(0, lengthIn(length, OUTPUT_SIZE)));
  } finally {
    wipe(into);
  }
}

function wordsIn(list: Buffer, count: Buffer): readonly bigint[] {
  const length = lengthIn(count, list.length / 8);
  return Array.from({ length }, (_, index) => list.readBigUInt64LE(index * 8));
}

/** A length that the module wrote; a broken one must not make us read beyond what it was given. */
function lengthIn(bytes: Buffer, most: number): number {
  const length = bytes.readBigUInt64LE();
  if (length > BigInt(most)) throw new Error("the module claims to have written more than there was room for");
  return Number(length);
}

/** Text of fixed length in CK_TOKEN_INFO, filled with blanks, by some modules with zeros. */
function padded(bytes: Buffer): string {
  return bytes.toString("utf8").replace(/[\0 ]+$/, "");
}

function check(name: string, code: bigint): void {
  if (code !== CKR_OK) throw new CryptokiError(name, code);
}
