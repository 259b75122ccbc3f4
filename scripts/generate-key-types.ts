import type { KeyType } from "../packages/server/src/crypto/key-type.ts";
import { findKeyType, keyTypeNames } from "../packages/server/src/crypto/key-types.ts";
import { HMAC_KEY_BYTES } from "../packages/server/src/crypto/types/hmac.ts";

type Row = readonly string[];

/** The text of docs/key-types.md: every row of the algorithm table, and all that it says it can do. */
export function keyTypesText(): string {
  const types = keyTypeNames().flatMap((name) => findKeyType(name) ?? []);
  const sections = [
    introduction(types),
    section("All types", ALL_TYPES, ["type", "purposes", "what it does", "standard"], types.map(summaryRow)),
    section("Encrypting", ENCRYPTING, ["type", "cipher", "suite", "messages a version"], grouped(types, cipherRows)),
    section(
      "Signing",
      SIGNING,
      ["type", "algorithm", "signs the digest of", "encodings", "context"],
      grouped(types, signatureRows),
    ),
    section("Codes", CODES, ["type", "algorithm", "bytes of a code"], grouped(types, macRows)),
    section("Agreement", AGREEMENT, ["type", "agreement"], grouped(types, agreementRows)),
    section(
      "Encapsulation",
      ENCAPSULATION,
      ["type", "encapsulation", "bytes of a ciphertext"],
      grouped(types, encapsulationRows),
    ),
  ];
  return `${sections.join("\n\n")}\n`;
}

function introduction(types: readonly KeyType[]): string {
  return `# Key types

<!-- Made by \`npm run generate\` from the algorithm table (packages/server/src/crypto/key-types.ts). Do not edit. -->

Each key has one type and one purpose, bound when it is made. There are ${types.length} types. Where a table has several
lines for one type, the first is its default.`;
}

const ALL_TYPES = `The first type is the default. Purposes, the first of which is the default of the type: \`encrypt\` encrypts and decrypts,
and makes data keys; \`wrap\` makes data keys and opens them, nothing else; \`sign\` signs and verifies; \`mac\` makes and
verifies codes; \`agree\` derives or encapsulates shared secrets.`;

const ENCRYPTING = `The suite is the number in a ciphertext's header ([ciphertext.md](../spec/ciphertext.md)). A budget is what one key version
may encrypt, where random nonces set a limit (NIST SP 800-38D section 8.3). A deterministic cipher gives equal
ciphertexts for equal plaintexts, and serves keys made for it only. With a key for each context, one key serves many
tenants: a key of its own is derived for each encryption context.`;

const SIGNING = `An algorithm that signs a hash's digest takes a message or its digest; one without signs messages only. Encodings, the
first of which is the default: \`der\` (RFC 3279 section 2.2.3), \`p1363\` (r and s, each as long as the order), \`raw\` where
the algorithm has one form. The context is the longest in bytes (RFC 8032 section 8.3, FIPS 204 section 5.2).`;

const CODES = `Codes are never truncated. A generated key is as long as its code; imported ones have ${HMAC_KEY_BYTES.shortest} to ${HMAC_KEY_BYTES.longest}
bytes.`;

const AGREEMENT = `The peer's key is SubjectPublicKeyInfo, DER, with an uncompressed point on the named curve. The secret is raw: derive keys
from it (NIST SP 800-56C).`;

const ENCAPSULATION = `Shared secrets have 32 bytes. A forged ciphertext gives another secret, not an error (FIPS 203 section 6.3).`;

function summaryRow(type: KeyType): Row {
  const does = [
    type.ciphers && "encrypts",
    type.derivable && "a key for each context",
    type.signatures && "signs",
    type.mac && "makes codes",
    type.agreement && "agrees",
    type.encapsulation && "encapsulates",
    type.loadPublic && "has a public key",
  ];
  return [code(type.name), type.purposes.map(code).join(", "), does.filter(Boolean).join("; "), type.standard];
}

/** Rows under the names of all types that have the very same ones. */
function grouped(types: readonly KeyType[], rowsOf: (type: KeyType) => readonly Row[]): readonly Row[] {
  const groups = Map.groupBy(types, (type) => JSON.stringify(rowsOf(type)));
  return [...groups].flatMap(([rows, members]) => {
    const names = members.map(({ name }) => code(name)).join(", ");
    return (JSON.parse(rows) as Row[]).map((row) => [names, ...row]);
  });
}

function cipherRows({ ciphers = [] }: KeyType): readonly Row[] {
  return ciphers.map(({ name, suite, budget, deterministic }) => [
    `${code(name)}${deterministic ? " (deterministic)" : ""}`,
    `0x${suite.toString(16).padStart(4, "0")}`,
    budget === undefined ? "no limit" : power(budget),
  ]);
}

function signatureRows({ signatures = [] }: KeyType): readonly Row[] {
  return signatures.map(({ name, hash, encodings, contextLength }) => [
    code(name),
    hash === undefined ? "" : code(hash),
    encodings.map(code).join(", "),
    contextLength === 0 ? "" : String(contextLength),
  ]);
}

function macRows({ mac }: KeyType): readonly Row[] {
  return mac ? [[code(mac.name), String(mac.length)]] : [];
}

function agreementRows({ agreement }: KeyType): readonly Row[] {
  return agreement ? [[code(agreement.name)]] : [];
}

function encapsulationRows({ encapsulation }: KeyType): readonly Row[] {
  return encapsulation ? [[code(encapsulation.name), String(encapsulation.ciphertextLength)]] : [];
}

function section(title: string, text: string, head: Row, rows: readonly Row[]): string {
  const lines = [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`);
  return [`## ${title}`, text, lines.join("\n")].join("\n\n");
}

const code = (text: string): string => `\`${text}\``;

/** Budgets are powers of two. */
function power(budget: number): string {
  const exponent = Math.log2(budget);
  return Number.isInteger(exponent) ? `2^${exponent}` : String(budget);
}
