import { constants, createPublicKey, type KeyObject, randomBytes, sign, verify } from "node:crypto";
import { BunkmsApiError, type BunkmsClient } from "@bunkms/client";
import type { Plan, Planned } from "./plan.ts";
import { type GoKey, type GoKeyType, type GoKeyVersion, isEqual, privateKey } from "./records.ts";
import type { Sample } from "./samples.ts";
import { NONCE_LENGTH, openValue, sealValue } from "./sealed-value.ts";

/** Something that is on the server but not as it should be. */
export interface Mismatch {
  readonly kind: "key" | "secret" | "sample";
  readonly name: string;
  readonly reason: string;
}

/** What was verified, and what could not be. */
export interface Verified {
  /** Ciphertexts made here with the Go server's key versions, which the server decrypted. */
  readonly ciphertexts: number;
  /** Signatures made here, which the server verified, and the reverse. */
  readonly signatures: number;
  /** Ciphertexts of `--sample`. */
  readonly samples: number;
  readonly secrets: number;
  /** Keys that do nothing, as they are disabled: only their metadata and public keys are compared. */
  readonly disabled: readonly string[];
  readonly mismatches: readonly Mismatch[];
}

const PLAINTEXT_LENGTH = 32;
const AAD_LENGTH = 16;
/** As many ciphertexts as the server decrypts at once. */
const AT_ONCE = 1000;

/** How keys of a type sign here. */
const SIGNING: Readonly<Partial<Record<GoKeyType, { readonly algorithm: string; readonly encoding: string }>>> = {
  "rsa-2048": { algorithm: "rsa-pkcs1-sha256", encoding: "" },
  // As the Go server does: r and s, each of 32 bytes.
  "ecdsa-p256": { algorithm: "ecdsa-sha256", encoding: "p1363" },
};

/**
 * Has the server prove that it has all that the plan says, except where there is a conflict.
 * @throws BunkmsApiError, ConnectionError
 */
export async function verifyAll(client: BunkmsClient, plan: Plan, samples: readonly Sample[]): Promise<Verified> {
  const mismatches: Mismatch[] = [];
  const count = { ciphertexts: 0, signatures: 0, samples: 0, secrets: 0 };
  const keys = plan.keys.filter(({ action }) => action !== "conflict");
  for (const { item } of keys.filter(({ isEnabled }) => isEnabled)) {
    const [counter, prove] =
      item.type === "aes-256"
        ? (["ciphertexts", verifyCiphertexts] as const)
        : (["signatures", verifySignatures] as const);
    count[counter] += await prove(client, item, mismatches).catch((error: unknown) => {
      // Its bounds may have been raised since, or somebody disables it at this moment.
      if (error instanceof BunkmsApiError && error.code === "wrong_key_state") {
        mismatches.push({ kind: "key", name: item.name, reason: error.message });
        return 0;
      }
      throw error;
    });
  }
  for (const sample of samples) {
    count.samples += (await verifySample(client, keys, sample, mismatches)) ? 1 : 0;
  }
  for (const { item } of plan.secrets.filter(({ action }) => action !== "conflict")) {
    const there = await client.secrets.getSecret({ name: item.name });
    if (isEqual(there.valueB64, item.value)) {
      count.secrets += 1;
    } else {
      mismatches.push({ kind: "secret", name: item.name, reason: "the server gives another value" });
    }
    there.valueB64.fill(0);
  }
  const disabled = keys.filter(({ isEnabled }) => !isEnabled).map(({ item }) => item.name);
  return { ...count, disabled, mismatches };
}

async function verifyCiphertexts(client: BunkmsClient, key: GoKey, mismatches: Mismatch[]): Promise<number> {
  let verified = 0;
  for (let first = 0; first < key.versions.length; first += AT_ONCE) {
    const trials = key.versions.slice(first, first + AT_ONCE).map((version, i) => trialOf(version, first + i + 1));
    const items = trials.map(({ ciphertext, aad }) => ({
      ciphertext: ciphertext.toString("base64"),
      binding: { case: "aadB64", value: aad } as const,
    }));
    const { results } = await client.keyBatch.decryptBatch({ keyName: key.name, items });
    for (const [i, { plaintext }] of trials.entries()) {
      if (isEqual(results[i]?.plaintextB64 ?? new Uint8Array(), plaintext)) {
        verified += 1;
      } else {
        const reason = `a ciphertext of version ${first + i + 1} does not decrypt to what it was made of`;
        mismatches.push({ kind: "key", name: key.name, reason });
      }
    }
  }
  return verified;
}

/** A ciphertext as the Go server would have made it: version in 4 bytes, big-endian, nonce, data and tag. */
function trialOf({ material }: GoKeyVersion, number: number) {
  const [plaintext, aad] = [randomBytes(PLAINTEXT_LENGTH), randomBytes(AAD_LENGTH)];
  const version = Buffer.alloc(4);
  version.writeUInt32BE(number);
  return {
    plaintext,
    aad,
    ciphertext: Buffer.concat([version, sealValue(material, randomBytes(NONCE_LENGTH), plaintext, aad)]),
  };
}

/** Each version's signature is verified by the server, and the server's by the newest version's public key. */
async function verifySignatures(client: BunkmsClient, key: GoKey, mismatches: Mismatch[]): Promise<number> {
  const { algorithm, encoding } = SIGNING[key.type] ?? { algorithm: "", encoding: "" };
  const message = randomBytes(PLAINTEXT_LENGTH);
  const input = { case: "messageB64", value: message } as const;
  const answers: boolean[] = [];
  for (const [i, { material }] of key.versions.entries()) {
    const own = privateKey(material);
    const signatureB64 = own === undefined ? new Uint8Array() : sign("sha256", message, keyInput(own));
    const request = { name: key.name, input, signatureB64, algorithm, encoding, version: i + 1 };
    answers.push((await client.keys.verify(request)).valid);
  }
  const made = await client.keys.sign({ name: key.name, input, algorithm, encoding, version: key.versions.length });
  const der = key.versions.at(-1)?.publicKey ?? Buffer.alloc(0);
  const publicKey = createPublicKey({ key: der, format: "der", type: "spki" });
  answers.push(verify("sha256", message, keyInput(publicKey), made.signatureB64));
  if (answers.includes(false)) {
    mismatches.push({ kind: "key", name: key.name, reason: "signatures of the two servers' keys do not verify" });
  }
  return answers.filter((isValid) => isValid).length;
}

function keyInput(key: KeyObject) {
  return { key, padding: constants.RSA_PKCS1_PADDING, dsaEncoding: "ieee-p1363" } as const;
}

async function verifySample(
  client: BunkmsClient,
  keys: readonly Planned<GoKey>[],
  { key: name, source, ciphertext, aad }: Sample,
  mismatches: Mismatch[],
): Promise<boolean> {
  const planned = keys.find(({ item }) => item.name === name);
  const fail = (why: string) => {
    mismatches.push({ kind: "sample", name, reason: `${source}: ${why}` });
    return false;
  };
  if (planned?.isEnabled !== true || planned.item.type !== "aes-256") {
    return fail("there is no enabled AES key of this name among those that were carried over");
  }
  const bytes = Buffer.from(ciphertext, "base64");
  const material = bytes.length < 4 ? undefined : planned.item.versions[bytes.readUInt32BE(0) - 1]?.material;
  const expected = material && openValue(material, bytes.subarray(4), aad);
  if (expected === undefined) {
    return fail("it does not decrypt with the Go server's own key");
  }
  const binding = { case: "aadB64", value: aad } as const;
  const { results } = await client.keyBatch.decryptBatch({ keyName: name, items: [{ ciphertext, binding }] });
  const [result] = results;
  const isSame = result?.error === undefined && isEqual(result?.plaintextB64 ?? new Uint8Array(), expected);
  expected.fill(0);
  result?.plaintextB64.fill(0);
  return isSame || fail("the server does not decrypt it to the same");
}
