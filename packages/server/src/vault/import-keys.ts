import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BunkmsError } from "@bunkms/contract";
import { ImportKeyRecordSchema } from "@bunkms/contract/record";
import { wipe } from "../crypto/kdf.ts";
import type { KeyType } from "../crypto/key-type.ts";
import { findKeyType } from "../crypto/key-types.ts";
import { type KeyWrapAlgorithm, unwrapImported } from "../crypto/key-wrap.ts";
import type { KeyInfo } from "./key-info.ts";
import { nextState } from "./key-life.ts";
import type { Plan } from "./plan.ts";
import type { Change, Records } from "./records.ts";

/** A wrapping key that was made for one import. */
export interface PreparedImport {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** What was unwrapped, and what uses up the wrapping key, to be committed with the import. */
export interface UnwrappedImport {
  /** Its caller zeroes it. */
  readonly material: Buffer;
  readonly used: Plan<undefined>;
}

const TABLE = "import-key";
const VALID_MS = 24 * 3_600_000;
/** The most that one commit removes. */
const REMOVED_AT_ONCE = 500;

/** The wrapping keys of imports: at most one a key, for one import, for 24 hours. None is cached. */
export class ImportKeys {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  /**
   * Makes the wrapping key of a key's next import, in place of an earlier one.
   * @param typeName `rsa-3072` or `rsa-4096`.
   * @throws BunkmsError `invalid_request`, `wrong_key_state`, `unsupported_key_type`
   */
  async prepare(key: KeyInfo, typeName: string, now: number): Promise<Plan<PreparedImport>> {
    requireImportable(key);
    const before = await this.#records.read(TABLE, key.id);
    if (before !== undefined) {
      wipe(before.payload);
    }
    const { material, publicKey } = await rowOf(typeName).generate();
    const expiresAt = now + VALID_MS;
    const payload = toBinary(
      ImportKeyRecordSchema,
      create(ImportKeyRecordSchema, { expiresAtMs: BigInt(expiresAt), type: typeName, privateKey: material }),
    );
    wipe(material);
    return {
      result: { publicKey, expiresAt },
      changes: [{ table: TABLE, path: key.id, payload, previous: before?.ref ?? null }],
      committed: () => {},
      discard: () => wipe(payload),
    };
  }

  /**
   * Unwraps what was wrapped under a key's wrapping key.
   * @throws BunkmsError `invalid_request`; `wrong_key_state`, also when no wrapping key is valid; `invalid_key_material`
   */
  async unwrap(key: KeyInfo, algorithm: KeyWrapAlgorithm, wrapped: Uint8Array, now: number): Promise<UnwrappedImport> {
    requireImportable(key);
    const stored = await this.#records.read(TABLE, key.id);
    if (stored === undefined) {
      throw new BunkmsError("wrong_key_state", "there is no wrapping key, or it was used: prepare the import first");
    }
    try {
      const { expiresAtMs, type, privateKey } = fromBinary(ImportKeyRecordSchema, stored.payload);
      if (Number(expiresAtMs) <= now) {
        throw new BunkmsError("wrong_key_state", "the wrapping key has expired: prepare the import again");
      }
      // Zeroed with the payload, of which it is a part.
      const unwrapping = rowOf(type).load(privateKey);
      return {
        material: await unwrapImported(unwrapping, algorithm, wrapped),
        used: removalOf([{ table: TABLE, path: key.id, payload: null, previous: stored.ref }]),
      };
    } finally {
      wipe(stored.payload);
    }
  }

  /** The change that removes a key's wrapping key, if it has one. @param id The key's, 32 hexadecimal digits. */
  async removal(id: string): Promise<readonly Change[]> {
    const stored = await this.#records.read(TABLE, id);
    if (stored === undefined) {
      return [];
    }
    wipe(stored.payload);
    return [{ table: TABLE, path: id, payload: null, previous: stored.ref }];
  }

  /** What removes wrapping keys that have expired; undefined when there are none. */
  async expired(now: number): Promise<Plan<undefined> | undefined> {
    const changes: Change[] = [];
    for await (const { path, payload, ref } of this.#records.all(TABLE)) {
      const { expiresAtMs } = fromBinary(ImportKeyRecordSchema, payload);
      wipe(payload);
      if (Number(expiresAtMs) <= now && changes.length < REMOVED_AT_ONCE) {
        changes.push({ table: TABLE, path, payload: null, previous: ref });
      }
    }
    return changes.length === 0 ? undefined : removalOf(changes);
  }
}

function rowOf(typeName: string): KeyType {
  const type = findKeyType(typeName);
  if (type === undefined) {
    throw new BunkmsError("unsupported_key_type");
  }
  return type;
}

/** Refuses a key that takes no import now. @throws BunkmsError `invalid_request`, `wrong_key_state` */
export function requireImportable({ imported, state }: KeyInfo): void {
  if (!imported) {
    throw new BunkmsError("invalid_request", "the key was not made for imports");
  }
  nextState("import", state, "the key");
}

function removalOf(changes: readonly Change[]): Plan<undefined> {
  return { result: undefined, changes, committed: () => {}, discard: () => {} };
}
