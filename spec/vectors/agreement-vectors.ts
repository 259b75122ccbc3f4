import { findKeyType, keyTypeNames } from "../../packages/server/src/crypto/key-types.ts";
import type { TestKey } from "./signature-vectors.ts";

/** A peer's public key and the secret that is shared with it; bytes in hexadecimal. */
export interface AgreementVector {
  readonly name: string;
  readonly key_type: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly peer: string;
  /** Empty unless the outcome is `shared`. */
  readonly shared_secret: string;
  readonly outcome: "shared" | "invalid_public_key";
}

/** A ciphertext and the secret that it encapsulates; bytes in hexadecimal. */
export interface EncapsulationVector {
  readonly name: string;
  readonly key_type: string;
  readonly ciphertext: string;
  readonly shared_secret: string;
}

/** The file spec/vectors/agreement.json; agreement-go.json has the same without keys. */
export interface AgreementFile {
  /** One of each type. A private key is what the type's standard has: PKCS#8, or the seed of X-Wing. */
  readonly keys: readonly TestKey[];
  readonly agreements: readonly AgreementVector[];
  readonly encapsulations: readonly EncapsulationVector[];
}

/** Vectors of agreement and encapsulation for the given keys. Keys of types that have none yet are made. */
export async function agreementFile(existing: readonly TestKey[]): Promise<AgreementFile> {
  const keys: TestKey[] = [];
  const agreements: AgreementVector[] = [];
  const encapsulations: EncapsulationVector[] = [];
  for (const name of keyTypeNames()) {
    const type = findKeyType(name);
    if (!type?.purposes.includes("agree")) continue;
    const key = existing.find(({ key_type }) => key_type === name) ?? (await makeKey(name));
    keys.push(key);
    const publicKey = Buffer.from(key.public_key, "hex");
    const privateKey = type.load(Buffer.from(key.private_key, "hex"));
    if (type.agreement) {
      const { publicKey: peer } = await type.generate();
      const secret = await type.agreement.derive(privateKey, peer);
      agreements.push(agreement(name, "with another key", peer, secret));
      const bad = privateKey.asymmetricKeyType === "ec" ? offCurve(peer) : smallOrder(peer);
      agreements.push(agreement(name, "with a bad point", bad));
      agreements.push(agreement(name, "with a key that is cut by a byte", peer.subarray(0, -1)));
    }
    if (type.encapsulation && type.loadPublic) {
      const { ciphertext, sharedSecret } = type.encapsulation.encapsulate(type.loadPublic(publicKey));
      encapsulations.push({
        name: `${name}: encapsulated`,
        key_type: name,
        ciphertext: ciphertext.toString("hex"),
        shared_secret: sharedSecret.toString("hex"),
      });
    }
  }
  return { keys, agreements, encapsulations };
}

async function makeKey(name: string): Promise<TestKey> {
  const made = await findKeyType(name)?.generate();
  if (!made) throw new Error(`no key type ${name}`);
  return {
    key_type: name,
    private_key: made.material.toString("hex"),
    public_key: made.publicKey.toString("hex"),
  };
}

function agreement(key_type: string, what: string, peer: Buffer, secret?: Buffer): AgreementVector {
  return {
    name: `${key_type}: ${what}`,
    key_type,
    peer: peer.toString("hex"),
    shared_secret: secret?.toString("hex") ?? "",
    outcome: secret ? "shared" : "invalid_public_key",
  };
}

/** The point 0, of small order on both curves of RFC 7748; twelve bytes stand before it (RFC 8410 section 4). */
function smallOrder(spki: Buffer): Buffer {
  return Buffer.from(spki).fill(0, 12);
}

/** With another y, a point is not on its NIST curve. */
function offCurve(spki: Buffer): Buffer {
  const changed = Buffer.from(spki);
  changed.writeUInt8(changed.readUInt8(changed.length - 1) ^ 1, changed.length - 1);
  return changed;
}
