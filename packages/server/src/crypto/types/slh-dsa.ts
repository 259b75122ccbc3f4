import { wipe } from "../kdf.ts";
import type { KeyType } from "../key-type.ts";
import { partsMatch } from "../openssl-key.ts";
import { makeKeyInTurn } from "../pool.ts";
import { pureSignature } from "../signatures/pure.ts";
import { foreignPublicKey, keyPair, rawPrivateKey } from "./key-pair.ts";

/** Bytes of each of the four parts of a private key (FIPS 205 section 11, table 2: n). */
const SIZES = { 128: 16, 192: 24, 256: 32 } as const;

/**
 * SLH-DSA (FIPS 205): signatures of 8 to 50 KB; those of the sets that end in "s" are smaller and take 0.3 to 1 s to
 * make, on the thread pool. The raw private key is SK.seed ‖ SK.prf ‖ PK.seed ‖ PK.root (section 9.1).
 */
export const SLH_DSA_TYPES: readonly KeyType[] = (["sha2", "shake"] as const).flatMap((family) =>
  ([128, 192, 256] as const).flatMap((bits) =>
    (["s", "f"] as const).map((speed) => slhDsa(`slh-dsa-${family}-${bits}${speed}`, 4 * SIZES[bits])),
  ),
);

function slhDsa(name: string, length: number): KeyType {
  const pair = keyPair({
    name,
    generate: { type: name },
    fits: (key) => key.asymmetricKeyType === name,
    must: `must be of ${name.toUpperCase()}`,
    fromRaw: rawPrivateKey(name, "raw-private", length),
  });
  return {
    name,
    standard: "FIPS 205",
    purposes: ["sign"],
    ...pair,
    generate: () => makeKeyInTurn(pair.generate),
    accept(format, material) {
      const given = pair.accept(format, material);
      // Whoever sent the key may have written a root beside the seeds that is not theirs: its signatures would be valid
      // by no public key.
      if (!partsMatch(given.material)) {
        wipe(given.material);
        throw foreignPublicKey();
      }
      return given;
    },
    signatures: Object.freeze([Object.freeze({ ...pureSignature(name, 255, true), signsLong: true as const })]),
  };
}
