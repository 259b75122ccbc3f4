import { BunkmsError } from "@bunkms/contract";
import type { KeyAgreement, KeyEncapsulation } from "../crypto/key-type.ts";
import type { KeyInfo } from "../vault/key-info.ts";

/** @throws BunkmsError `wrong_key_usage` for a key that derives shared secrets in another way. */
export function encapsulationOf({ type }: KeyInfo): KeyEncapsulation {
  if (type.encapsulation === undefined) {
    throw new BunkmsError("wrong_key_usage", "keys of this type derive shared secrets and do not encapsulate them");
  }
  return type.encapsulation;
}

/** @throws BunkmsError `wrong_key_usage` for a key that encapsulates shared secrets. */
export function agreementOf({ type }: KeyInfo): KeyAgreement {
  if (type.agreement === undefined) {
    throw new BunkmsError("wrong_key_usage", "keys of this type encapsulate shared secrets and do not derive them");
  }
  return type.agreement;
}
