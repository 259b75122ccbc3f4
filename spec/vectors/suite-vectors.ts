import { generateKeyPairSync } from "node:crypto";
import { aeadVectors } from "./aead-vectors.ts";
import { pseudorandom } from "./ciphertext-vectors.ts";
import { oaepVectors } from "./oaep-vectors.ts";
import type { Material, SuiteFile, SuiteKey } from "./suite-vector.ts";

/** Bytes of the keys of each symmetric type. */
const SYMMETRIC = {
  "aes-256": 32,
  "xaes-256-gcm": 32,
  "aes-256-gcm": 32,
  "aes-128-gcm": 16,
  "aes-256-gcm-siv": 32,
  "chacha20-poly1305": 32,
};

/**
 * The content of spec/vectors/ciphertext-suites.json: vectors of all suites but 0478, always the same for the same RSA
 * keys. They are made by the letter of spec/ciphertext.md and not by the server's code, so that they can find it wrong.
 *
 * @param existing Keys of an earlier file, whose RSA keys are kept.
 */
export function suiteFile(existing: readonly SuiteKey[]): SuiteFile {
  const keys = [...symmetricKeys(), ...rsaKeys(existing)];
  const material: Material = (name) => {
    const key = keys.find((of) => of.name === name);
    if (!key) throw new Error(`no key ${name}`);
    return Buffer.from(key.material, "hex");
  };
  return { keys, vectors: [...aeadVectors(material), ...oaepVectors(material)] };
}

function symmetricKeys(): SuiteKey[] {
  return Object.entries(SYMMETRIC).flatMap(([key_type, length]) =>
    [key_type, `another ${key_type}`].map((name) => ({
      name,
      key_type,
      material: pseudorandom(`key ${name}`, length).toString("hex"),
    })),
  );
}

function rsaKeys(existing: readonly SuiteKey[]): SuiteKey[] {
  return [2048, 3072, 4096].map((modulusLength) => {
    const name = `rsa-${modulusLength}`;
    const kept = existing.find((key) => key.name === name);
    if (kept) return kept;
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength });
    const material = privateKey.export({ format: "der", type: "pkcs8" }).toString("hex");
    return { name, key_type: name, material };
  });
}
