import { constants, createHash, createPrivateKey, createPublicKey, type KeyObject, publicEncrypt } from "node:crypto";
import { type Additional, encodeAdditional, pseudorandom } from "./ciphertext-vectors.ts";
import { changed, header, type Material, opens, refused, type SuiteVector } from "./suite-vector.ts";

const HASHES = { b201: "sha256", b202: "sha384", b203: "sha512", b204: "sha1" } as const;
const PLAINTEXT = Buffer.from("attack at dawn");
const LABEL: Additional = { raw: Buffer.from("invoice 17").toString("hex") };

/** What a writer may do otherwise than RFC 8017 section 7.1.1 says. */
interface Parts {
  readonly hash: string;
  readonly mgfHash: string;
  readonly label: Buffer;
  readonly plaintext: Buffer;
  readonly seed: string;
  /** The byte before the plaintext. */
  readonly separator: number;
  /** The first byte of all. */
  readonly first: number;
}

/** Vectors of the suites b201 to b204. */
export function oaepVectors(material: Material): SuiteVector[] {
  return Object.entries(HASHES).flatMap(([suite, hash]) =>
    ["rsa-2048", "rsa-3072", "rsa-4096"].flatMap((key) => ofKey(suite, hash, key, material)),
  );
}

function ofKey(suite: string, hash: string, key: string, material: Material): SuiteVector[] {
  const publicKey = createPublicKey(createPrivateKey({ key: material(key), format: "der", type: "pkcs8" }));
  const reading = { suite, key };
  const bare = (changes: Partial<Parts> = {}): Buffer => encrypt(publicKey, { hash, ...changes });
  const write = (changes: Partial<Parts> = {}): Buffer => Buffer.concat([header(suite), bare(changes)]);
  const most = pseudorandom("longest", modulusBytes(publicKey) - 2 * digest(hash, "").length - 2);
  const labelled = write({ label: Buffer.from("invoice 17") });
  const opening = [
    opens(`${key}, empty plaintext`, reading, Buffer.alloc(0), write({ plaintext: Buffer.alloc(0) })),
    opens(`${key}, the longest plaintext`, reading, most, write({ plaintext: most })),
    opens(`${key}, text and a label`, { ...reading, additional: LABEL }, PLAINTEXT, labelled),
  ];
  if (key !== "rsa-2048") return opening;

  const plain = write();
  const context: Additional = { context: { tenant: "acme" } };
  const encoded = encodeAdditional(context);
  return [
    ...opening,
    opens("a number that begins with a zero byte", reading, PLAINTEXT, Buffer.concat([header(suite), small(bare)])),
    refused("another key", { suite, key: "rsa-3072" }, plain),
    refused("the label is missing", reading, labelled),
    refused("another label", { ...reading, additional: { raw: "00" } }, labelled),
    refused("a label that is a context's encoding", { ...reading, additional: context }, write({ label: encoded })),
    refused(
      "a label with the byte that tells bytes from a context",
      { ...reading, additional: { raw: "00" } },
      write({ label: Buffer.of(1, 0) }),
    ),
    ...Object.values(HASHES)
      .filter((other) => other !== hash)
      .flatMap((other) => [
        refused(`${other} instead`, reading, write({ hash: other })),
        refused(`${other} for MGF1`, reading, write({ mgfHash: other })),
      ]),
    refused("no byte 01 before the plaintext", reading, write({ separator: 2 })),
    refused("a first byte that is not zero", reading, write({ first: 1 })),
    refused("PKCS #1 v1.5", reading, Buffer.concat([header(suite), pkcs1(publicKey)])),
    refused("a number larger than the modulus", reading, Buffer.concat([header(suite), Buffer.alloc(256, 0xff)])),
    refused("without the zero byte in front", reading, Buffer.concat([header(suite), small(bare).subarray(1)])),
    ...Object.entries({ magic: 0, suite: 4, data: -1 }).map(([field, at]) =>
      refused(`a bit of the ${field} is changed`, reading, changed(plain, at)),
    ),
    refused("version 0", reading, Buffer.concat([header(suite, 0), bare()])),
    refused("cut by a byte", reading, plain.subarray(0, -1)),
    refused("a byte too many", reading, Buffer.concat([plain, Buffer.alloc(1)])),
    refused("as long as a larger key's", reading, Buffer.concat([header(suite), Buffer.alloc(128), bare()])),
  ];
}

/** RFC 8017 section 7.1.1, with a seed that depends on a name alone. */
function encrypt(publicKey: KeyObject, changes: Partial<Parts> & Pick<Parts, "hash">): Buffer {
  const parts = {
    mgfHash: changes.hash,
    label: "",
    plaintext: PLAINTEXT,
    seed: "seed",
    separator: 1,
    first: 0,
    ...changes,
  };
  const size = modulusBytes(publicKey);
  const labelHash = digest(parts.hash, parts.label);
  const end = Buffer.concat([Buffer.of(parts.separator), parts.plaintext]);
  const padding = Buffer.alloc(size - 2 * labelHash.length - 1 - end.length);
  const block = Buffer.concat([labelHash, padding, end]);
  const seed = pseudorandom(`${parts.seed} ${size}`, labelHash.length);
  const maskedBlock = xor(block, mgf1(parts.mgfHash, seed, block.length));
  const maskedSeed = xor(seed, mgf1(parts.mgfHash, maskedBlock, seed.length));
  return raise(publicKey, Buffer.concat([Buffer.of(parts.first), maskedSeed, maskedBlock]));
}

/** RFC 8017 section 7.2.1. */
function pkcs1(publicKey: KeyObject): Buffer {
  const filling = Buffer.alloc(modulusBytes(publicKey) - PLAINTEXT.length - 3, 0xaa);
  return raise(publicKey, Buffer.concat([Buffer.of(0, 2), filling, Buffer.of(0), PLAINTEXT]));
}

/** The first of many seeds whose ciphertext begins with a zero byte. */
function small(write: (changes: Partial<Parts>) => Buffer): Buffer {
  for (let i = 0; ; i++) {
    const ciphertext = write({ seed: `seed ${i}` });
    if (ciphertext[0] === 0) return ciphertext;
  }
}

/** RSAEP (RFC 8017 section 5.1.1). */
const raise = (key: KeyObject, block: Buffer): Buffer =>
  publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, block);

/** RFC 8017 appendix B.2.1. */
function mgf1(hash: string, seed: Buffer, length: number): Buffer {
  const parts: Buffer[] = [];
  const counter = Buffer.alloc(4);
  for (let made = 0; made < length; made += parts.at(-1)?.length ?? 0) {
    parts.push(digest(hash, seed, counter));
    counter.writeUInt32BE(parts.length);
  }
  return Buffer.concat(parts).subarray(0, length);
}

function digest(hash: string, ...parts: readonly (Buffer | string)[]): Buffer {
  const sum = createHash(hash);
  for (const part of parts) sum.update(part);
  return sum.digest();
}

const xor = (a: Buffer, b: Buffer): Buffer => Buffer.from(a.map((byte, i) => byte ^ (b[i] ?? 0)));

const modulusBytes = (key: KeyObject): number => (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
