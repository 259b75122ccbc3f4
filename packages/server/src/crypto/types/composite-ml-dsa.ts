import { equal, wipe } from "../kdf.ts";
import type { GeneratedKey, KeyType } from "../key-type.ts";
import { randomBytes } from "../random.ts";
import {
  COMPOSITE_PRIVATE_LENGTH,
  COMPOSITE_PUBLIC_LENGTH,
  COMPOSITE_SIGNATURE,
  compositePublicKey,
  loadCompositePrivate,
  loadCompositePublic,
} from "../signatures/composite.ts";
import { invalidMaterial, misfit } from "./key-pair.ts";

const NAME = "ml-dsa-65-ed25519";

// What stands before the key in its DER (draft section 5.1): the identifier is 1.3.6.1.5.5.7.6.48, without parameters.
const SPKI_PREFIX = Buffer.from("308207d1300a06082b06010505070630038207c100", "hex");
const PKCS8_PREFIX = Buffer.from("3051020100300a06082b060105050706300440", "hex");

/** ML-DSA-65 and Ed25519 in one, for who trusts neither alone. Its raw private key is the seed of the one and the key of the other. */
export const COMPOSITE_ML_DSA_TYPE: KeyType = {
  name: NAME,
  standard: "draft-ietf-lamps-pq-composite-sigs-19",
  purposes: ["sign"],
  async generate() {
    const raw = randomBytes(COMPOSITE_PRIVATE_LENGTH);
    try {
      return generatedFrom(raw);
    } finally {
      wipe(raw);
    }
  },
  accept(format, material) {
    const raw = format === "raw" ? material : afterPrefix(material, PKCS8_PREFIX);
    if (raw?.length !== COMPOSITE_PRIVATE_LENGTH) {
      throw invalidMaterial(`a key of type ${NAME} has ${COMPOSITE_PRIVATE_LENGTH} bytes, raw or as PKCS#8`);
    }
    return generatedFrom(raw);
  },
  load(material) {
    return loadCompositePrivate(contentOf(material, PKCS8_PREFIX, COMPOSITE_PRIVATE_LENGTH));
  },
  loadPublic(spki) {
    return loadCompositePublic(contentOf(spki, SPKI_PREFIX, COMPOSITE_PUBLIC_LENGTH));
  },
  signatures: Object.freeze([COMPOSITE_SIGNATURE]),
};

/** @param raw Stays its owner's. */
function generatedFrom(raw: Uint8Array): GeneratedKey {
  const material = Buffer.allocUnsafeSlow(PKCS8_PREFIX.length + raw.length);
  material.set(PKCS8_PREFIX);
  material.set(raw, PKCS8_PREFIX.length);
  return { material, publicKey: Buffer.concat([SPKI_PREFIX, compositePublicKey(loadCompositePrivate(raw))]) };
}

function contentOf(der: Uint8Array, prefix: Buffer, length: number): Uint8Array {
  const content = afterPrefix(der, prefix);
  if (content?.length !== length) throw misfit(NAME);
  return content;
}

function afterPrefix(der: Uint8Array, prefix: Buffer): Uint8Array | undefined {
  return equal(der.subarray(0, prefix.length), prefix) ? der.subarray(prefix.length) : undefined;
}
