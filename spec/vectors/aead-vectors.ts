import { createCipheriv, createHash, hkdfSync } from "node:crypto";
import { type Additional, encodeAdditional, pseudorandom, text } from "./ciphertext-vectors.ts";
import { xaesSeal } from "./sealing.ts";
import { changed, header, type Material, opens, refused, type SuiteVector } from "./suite-vector.ts";

/** Seals to nonce, data and tag. */
type Seal = (key: Buffer, nonce: Buffer, plaintext: Buffer, aad: Buffer) => Buffer;

/** A suite of "Suites b101 to b106". */
interface Aead {
  readonly suite: string;
  readonly keyType: string;
  readonly nonceLength: number;
  readonly seal: Seal;
  readonly deterministic?: boolean;
}

const openssl =
  (name: string): Seal =>
  (key, nonce, plaintext, aad) => {
    const cipher = createCipheriv(name as "aes-256-gcm", key, nonce, { authTagLength: 16 });
    cipher.setAAD(aad);
    return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  };

const AEADS: readonly Aead[] = [
  { suite: "b101", keyType: "xaes-256-gcm", nonceLength: 24, seal: xaesSeal },
  { suite: "b102", keyType: "aes-256-gcm", nonceLength: 12, seal: openssl("aes-256-gcm") },
  { suite: "b103", keyType: "aes-128-gcm", nonceLength: 12, seal: openssl("aes-128-gcm") },
  { suite: "b104", keyType: "aes-256-gcm-siv", nonceLength: 12, seal: openssl("aes-256-gcm-siv") },
  { suite: "b105", keyType: "aes-256-gcm-siv", nonceLength: 12, seal: openssl("aes-256-gcm-siv"), deterministic: true },
  { suite: "b106", keyType: "chacha20-poly1305", nonceLength: 12, seal: openssl("chacha20-poly1305") },
];

const PLAINTEXT = Buffer.from("attack at dawn");
const TENANT: Additional = { context: { tenant: "acme" } };
const OTHER_TENANT: Additional = { context: { tenant: "acme2" } };

/** Vectors of the symmetric suites, and of derived keys with suite 0478. */
export function aeadVectors(material: Material): SuiteVector[] {
  return [...derivedCommitting(material), ...AEADS.flatMap((aead) => ofAead(aead, material))];
}

function derivedCommitting(material: Material): SuiteVector[] {
  const write = (additional: Additional): Buffer => {
    const key = derive(material("aes-256"), additional).toString("hex");
    return Buffer.from(text({ key, additional, plaintext: PLAINTEXT }), "base64");
  };
  const reading = { suite: "0478", key: "aes-256", derived: true };
  const tenant = write(TENANT);
  return [
    opens("a derived key", { ...reading, additional: TENANT }, PLAINTEXT, tenant),
    opens("a derived key without additional data", reading, PLAINTEXT, write(null)),
    refused("another context's derived key", { ...reading, additional: OTHER_TENANT }, tenant),
    refused(
      "a derived key's ciphertext with the key itself",
      { ...reading, derived: false, additional: TENANT },
      tenant,
    ),
  ];
}

function ofAead(aead: Aead, material: Material): SuiteVector[] {
  const { suite, keyType: key, nonceLength, deterministic } = aead;
  const own = material(key);
  const reading = { suite, key };
  const write = (changes: Partial<Parts> = {}): Buffer => sealed(aead, { key: own, ...changes });
  const plain = write();
  const tenant = write({ additional: TENANT });
  const ofTenant = write({ key: derive(own, TENANT), additional: TENANT });
  const blocks = pseudorandom("blocks", 1000);
  const raw = { raw: "00ff01" };
  const last = 25 + nonceLength;
  return [
    opens("empty plaintext", reading, Buffer.alloc(0), write({ plaintext: Buffer.alloc(0) })),
    opens("text", reading, PLAINTEXT, plain),
    opens("binary, several blocks", reading, blocks, write({ plaintext: blocks })),
    opens("bytes as additional data", { ...reading, additional: raw }, PLAINTEXT, write({ additional: raw })),
    opens("a context", { ...reading, additional: TENANT }, PLAINTEXT, tenant),
    opens("a derived key", { ...reading, derived: true, additional: TENANT }, PLAINTEXT, ofTenant),
    refused("another key", { suite, key: `another ${key}` }, plain),
    refused("another context", { ...reading, additional: OTHER_TENANT }, tenant),
    refused("additional data is missing", reading, tenant),
    refused("another context's derived key", { ...reading, derived: true, additional: OTHER_TENANT }, ofTenant),
    refused("a derived key's ciphertext with the key itself", { ...reading, additional: TENANT }, ofTenant),
    ...Object.entries({ magic: 0, "key id": 5, version: 24, nonce: 25, data: last, tag: -1 }).map(([field, at]) =>
      refused(`a bit of the ${field} is changed`, reading, changed(plain, at)),
    ),
    ...["0478", "0578", "b100", "b107", "b201"].map((other) =>
      refused(`written as suite ${other}`, reading, write({ header: header(other) })),
    ),
    ...AEADS.filter((other) => other.suite !== suite).map((other) =>
      refused(`written as suite ${other.suite}`, reading, write({ header: header(other.suite) })),
    ),
    refused("version 0", reading, write({ header: header(suite, 0) })),
    refused("the header is not authenticated", reading, write({ authenticated: Buffer.alloc(0) })),
    refused("cut within the tag of an empty plaintext", reading, write({ plaintext: Buffer.alloc(0) }).subarray(0, -1)),
    refused("cut after the header", reading, plain.subarray(0, 25)),
    refused("a byte after the tag", reading, Buffer.concat([plain, Buffer.alloc(1)])),
    ...(deterministic
      ? [refused("a nonce of the writer's choice", reading, write({ nonce: pseudorandom("nonce", 12) }))]
      : []),
  ];
}

/** What a vector may have otherwise than a writer would. */
interface Parts {
  readonly key: Buffer;
  readonly plaintext: Buffer;
  readonly additional: Additional;
  readonly header: Buffer;
  readonly nonce: Buffer;
  readonly authenticated: Buffer;
}

function sealed(aead: Aead, parts: Partial<Parts> & Pick<Parts, "key">): Buffer {
  const { plaintext = PLAINTEXT, additional = null, header: head = header(aead.suite) } = parts;
  const encoded = encodeAdditional(additional);
  const own = aead.deterministic ? deterministicNonce(encoded) : pseudorandom("nonce", aead.nonceLength);
  const authenticated = parts.authenticated ?? Buffer.concat([head, encoded]);
  return Buffer.concat([head, aead.seal(parts.key, parts.nonce ?? own, plaintext, authenticated)]);
}

function deterministicNonce(encoded: Buffer): Buffer {
  return createHash("sha256").update("bunkms deterministic nonce v1").update(encoded).digest().subarray(0, 12);
}

function derive(key: Buffer, additional: Additional): Buffer {
  const info = Buffer.concat([
    Buffer.from("bunkms derived key v1"),
    createHash("sha256").update(encodeAdditional(additional)).digest(),
  ]);
  return Buffer.from(hkdfSync("sha256", key, "", info, key.length));
}
