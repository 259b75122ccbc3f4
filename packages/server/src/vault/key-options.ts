import { BunkmsError } from "@bunkms/contract";
import type { KeyType, Purpose } from "../crypto/key-type.ts";

/** What is decided when a key is made, and never changes. */
export interface KeyOptions {
  readonly typeName: string;
  /** Empty: the type's first. */
  readonly purpose: string;
  readonly derived: boolean;
  readonly deterministic: boolean;
  readonly exportable: boolean;
  readonly imported: boolean;
}

/** Tags of one key. */
export const MOST_TAGS = 32;

const MIN_ROTATION_SECONDS = 3600;

/**
 * The purpose of a new key.
 * @throws BunkmsError `invalid_request` when the options do not fit the type or each other.
 */
export function checkKeyOptions(type: KeyType, options: KeyOptions): Purpose {
  const purpose = options.purpose === "" ? type.purposes[0] : type.purposes.find((each) => each === options.purpose);
  if (purpose === undefined) {
    throw new BunkmsError("invalid_request", `purpose: keys of this type are for ${type.purposes.join(" or ")}`);
  }
  if (options.derived && (type.derivable !== true || !["encrypt", "wrap", "mac"].includes(purpose))) {
    throw new BunkmsError("invalid_request", "derived: no keys can be derived from a key of this type");
  }
  if (options.deterministic && (purpose !== "encrypt" || !type.ciphers?.some((cipher) => cipher.deterministic))) {
    throw new BunkmsError("invalid_request", "deterministic: keys of this type do not encrypt so");
  }
  return purpose;
}

/** Whether a key can be one of the older Go BunKMS's that encrypted: those were AES-256 with no options. */
export function opensLegacy(type: KeyType, options: Omit<KeyOptions, "typeName">): boolean {
  return type.name === "aes-256" && options.purpose === "encrypt" && !options.derived && !options.imported;
}

/** @throws BunkmsError `invalid_request` */
export function checkRotationPeriod(seconds: number, imported: boolean): void {
  if (seconds !== 0 && seconds < MIN_ROTATION_SECONDS) {
    throw new BunkmsError("invalid_request", `rotation_period_seconds: must be ${MIN_ROTATION_SECONDS} or more, or 0`);
  }
  if (seconds !== 0 && imported) {
    throw new BunkmsError("invalid_request", "rotation_period_seconds: an imported key gets its versions by import");
  }
}
