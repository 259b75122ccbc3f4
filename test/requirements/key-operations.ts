/** THE table of what each operation does to a key in each state. An operation that is not here fails the tests. */

import assert from "node:assert/strict";
import { constants, generateKeyPairSync, publicEncrypt, randomBytes } from "node:crypto";
import type { JsonObject } from "@bufbuild/protobuf";
import { type OperationSpec, readOperations } from "@bunkms/contract";
import { ownEntry } from "../../packages/server/src/audit/entry.ts";
import type { Purpose } from "../../packages/server/src/crypto/key-type.ts";
import type { InProcessServer } from "./in-process-server.ts";

/** States of a key, and of a version but for the last. */
export const KEY_STATES = ["enabled", "disabled", "pending_deletion", "destroyed", "pending_import"] as const;
export const VERSION_STATES = ["enabled", "disabled", "pending_deletion", "destroyed"] as const;

export type TestedState = (typeof KEY_STATES)[number];

/** Keys that stand for all those of their kind, with their type. */
export const FAMILIES = {
  encrypt: "aes-256",
  sign: "ecdsa-p256",
  mac: "hmac-sha256",
  encapsulate: "ml-kem-768",
  agree: "x25519",
  import: "hmac-sha512",
} as const;

export type Family = keyof typeof FAMILIES;

/** What a key's first version made, base64. */
export interface Made {
  readonly ciphertext: string;
  readonly signature: string;
  readonly mac: string;
  readonly encapsulation: string;
  readonly backup: string;
  /** Material, wrapped for an import that was prepared. */
  readonly wrapped: string;
}

/** Made nothing yet. */
export const NOTHING: Made = { ciphertext: "", signature: "", mac: "", encapsulation: "", backup: "", wrapped: "" };

/** A key that an operation is tried on. */
export interface TriedKey {
  readonly name: string;
  readonly made: Made;
}

type Codes = readonly string[];

/** One operation. */
export interface KeyOperation {
  readonly family: Family;
  /** What a key must be for; empty: whatever it is for. */
  readonly purposes: readonly Purpose[];
  /** A request that is as it should be. @param version 0: the latest. */
  request(key: TriedKey, version: number): JsonObject;
  /** Members that replace others and are wrong, to be looked at after the key's purpose. */
  readonly wrong?: readonly JsonObject[];
  /** Answers for a key in each of `KEY_STATES`. Both of its versions are enabled. */
  readonly key: Codes;
  /** Answers for version 1 in each of `VERSION_STATES`. The key and its version 2 are enabled. */
  readonly version: Codes;
  /** The key's state, or version 1's, after a success. */
  readonly leads?: TestedState;
}

const RECIPIENT = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ type: "spki", format: "pem" });
const MESSAGE = Buffer.from("message").toString("base64");
const PEER = generateKeyPairSync("x25519").publicKey.export({ type: "spki", format: "der" }).toString("base64");

const NO = "wrong_key_state";
const TAKEN = "already_exists";
const NONE = "unknown_version";
const OPEN = "insecure_transport";
const ALWAYS: Codes = ["ok", "ok", "ok", "ok", "ok"];
const ENABLED_ONLY: Codes = ["ok", NO, NO, NO, NO];
/** Of keys that were made for imports. */
const IMPORTS: Codes = ["ok", NO, NO, NO, "ok"];
const UNLESS_DESTROYED: Codes = ["ok", "ok", "ok", NO, "ok"];

/** Uses a version that the request or its ciphertext names. */
const USES = { key: ENABLED_ONLY, version: ["ok", NO, NO, NO] } as const;
/** Has nothing to do with version 1. */
const OF_KEY = { version: ["ok", "ok", "ok", "ok"] } as const;
/** Answers for each item of a batch: the batch itself goes through. */
const BY_ITEM = { key: ENABLED_ONLY, version: ["ok", `item ${NO}`, `item ${NO}`, `item ${NO}`] } as const;

const wrongVersion = { version: 99 };
const wrongCiphertexts = [{ ciphertext: "" }, { ciphertext: "not base64" }, { ciphertext: "AAAA" }];

export const KEY_OPERATIONS: Readonly<Record<string, KeyOperation>> = {
  "keys.create": row("encrypt", [], ({ name }) => ({ name }), {
    key: [TAKEN, TAKEN, TAKEN, TAKEN, TAKEN],
    version: [TAKEN, TAKEN, TAKEN, TAKEN],
  }),
  "keys.get": row("encrypt", [], ({ name }) => ({ name }), { key: ALWAYS, ...OF_KEY }),
  "keys.preview_deletion": row("encrypt", [], ({ name }) => ({ name }), { key: ALWAYS, ...OF_KEY }),
  "keys.rotate": row("encrypt", [], ({ name }) => ({ name }), { key: ENABLED_ONLY, ...OF_KEY }),
  "keys.update": row("encrypt", [], ({ name }) => ({ name, description: "new" }), {
    key: UNLESS_DESTROYED,
    ...OF_KEY,
  }),
  "aliases.set": row("encrypt", [], ({ name }) => ({ alias: "alias", key_name: name }), {
    key: UNLESS_DESTROYED,
    ...OF_KEY,
  }),
  "aliases.list": row("encrypt", [], ({ name }) => ({ key_name: name }), { key: ALWAYS, ...OF_KEY }),

  "keys.enable": row("encrypt", [], ({ name }) => ({ name }), {
    key: [NO, "ok", NO, NO, NO],
    version: [NO, NO, NO, NO],
    leads: "enabled",
  }),
  "keys.disable": row("encrypt", [], ({ name }) => ({ name }), {
    key: ENABLED_ONLY,
    ...OF_KEY,
    leads: "disabled",
  }),
  "keys.schedule_deletion": row("encrypt", [], ({ name }) => ({ name }), {
    key: ["ok", "ok", NO, NO, "ok"],
    ...OF_KEY,
    leads: "pending_deletion",
  }),
  "keys.cancel_deletion": row("encrypt", [], ({ name }) => ({ name }), {
    key: [NO, NO, "ok", NO, NO],
    version: [NO, NO, NO, NO],
    leads: "disabled",
  }),
  "keys.enable_version": row("encrypt", [], ({ name }) => ({ name, version: 1 }), {
    key: [NO, NO, NO, NO, NONE],
    version: [NO, "ok", NO, NO],
    leads: "enabled",
  }),
  "keys.disable_version": row("encrypt", [], ({ name }) => ({ name, version: 1 }), {
    key: ["ok", "ok", "ok", NO, NONE],
    version: ["ok", NO, NO, NO],
    leads: "disabled",
  }),
  "keys.schedule_version_deletion": row("encrypt", [], ({ name }) => ({ name, version: 1 }), {
    key: ["ok", "ok", "ok", NO, NONE],
    version: ["ok", "ok", NO, NO],
    leads: "pending_deletion",
  }),
  "keys.cancel_version_deletion": row("encrypt", [], ({ name }) => ({ name, version: 1 }), {
    key: [NO, NO, NO, NO, NONE],
    version: [NO, NO, "ok", NO],
    leads: "disabled",
  }),

  "keys.prepare_import": row("import", [], ({ name }) => ({ name }), { key: IMPORTS, ...OF_KEY }),
  "keys.import": row(
    "import",
    [],
    ({ name, made }) => ({
      ...{ name, wrapped_material_b64: made.wrapped, algorithm: "rsa-oaep-sha256", format: "raw" },
    }),
    { key: IMPORTS, ...OF_KEY, leads: "enabled" },
  ),
  // Over TLS only, which the server of these tests does not have.
  "keys.import_plain": row(
    "import",
    [],
    ({ name }) => ({ name, material_b64: Buffer.alloc(64, 1).toString("base64"), format: "raw" }),
    {
      key: [OPEN, OPEN, OPEN, OPEN, OPEN],
      version: [OPEN, OPEN, OPEN, OPEN],
    },
  ),
  "keys.get_public": row("sign", [], ({ name }, version) => ({ name, version }), {
    key: ["ok", "ok", "ok", NO, NO],
    version: ["ok", "ok", "ok", NO],
  }),
  "keys.get_jwks": row("sign", [], ({ name }) => ({ name }), { key: ALWAYS, ...OF_KEY }),
  "keys.export": row(
    "encrypt",
    [],
    ({ name }, version) => ({ name, version, public_key_pem: RECIPIENT as string }),
    USES,
  ),
  "keys.export_plain": row("encrypt", [], ({ name }, version) => ({ key_name: name, version }), USES),
  "keys.backup": row("encrypt", [], ({ name }) => ({ name }), { key: ["ok", "ok", "ok", NO, NO], ...OF_KEY }),
  // Brings a destroyed key back, and never replaces one that is there.
  "keys.restore": row("encrypt", [], ({ name, made }) => ({ name, backup: made.backup }), {
    key: [TAKEN, TAKEN, TAKEN, "ok", TAKEN],
    version: [TAKEN, TAKEN, TAKEN, TAKEN],
    leads: "enabled",
  }),

  "keys.encrypt": {
    ...row("encrypt", ["encrypt"], ({ name }, version) => ({ key_name: name, plaintext: "text", version }), USES),
    wrong: [wrongVersion, { algorithm: "none" }],
  },
  "keys.decrypt": {
    ...row("encrypt", ["encrypt", "wrap"], ({ name, made }) => ({ key_name: name, ciphertext: made.ciphertext }), USES),
    wrong: [...wrongCiphertexts, { ciphertext: "", data_b64: "AAAA", version: 99, algorithm: "none" }],
  },
  "keys.rewrap": {
    ...row("encrypt", ["encrypt", "wrap"], ({ name, made }) => ({ name, ciphertext: made.ciphertext }), USES),
    wrong: wrongCiphertexts,
  },
  "keys.generate_data_key": row("encrypt", ["encrypt", "wrap"], ({ name }) => ({ name }), {
    key: ENABLED_ONLY,
    ...OF_KEY,
  }),
  "keys.generate_wrapped_data_key": row("encrypt", ["encrypt", "wrap"], ({ name }) => ({ name }), {
    key: ENABLED_ONLY,
    ...OF_KEY,
  }),
  "keys.sign": {
    ...row("sign", ["sign"], ({ name }, version) => ({ name, message_b64: MESSAGE, version }), USES),
    wrong: [wrongVersion, { algorithm: "none" }, { encoding: "none" }],
  },
  "keys.verify": {
    ...row(
      "sign",
      ["sign"],
      ({ name, made }, version) => ({ name, message_b64: MESSAGE, signature_b64: made.signature, version }),
      USES,
    ),
    wrong: [wrongVersion, { algorithm: "none" }, { encoding: "none" }, { signature_b64: "AAAA" }],
  },
  "keys.generate_mac": {
    ...row("mac", ["mac"], ({ name }, version) => ({ name, message_b64: MESSAGE, version }), USES),
    wrong: [wrongVersion, { context: { a: "b" } }],
  },
  "keys.verify_mac": {
    ...row(
      "mac",
      ["mac"],
      ({ name, made }, version) => ({ name, message_b64: MESSAGE, mac_b64: made.mac, version }),
      USES,
    ),
    wrong: [wrongVersion, { context: { a: "b" } }, { mac_b64: "AAAA" }],
  },
  "keys.encapsulate": {
    ...row("encapsulate", ["agree"], ({ name }, version) => ({ name, version }), USES),
    wrong: [wrongVersion],
  },
  "keys.decapsulate": {
    ...row(
      "encapsulate",
      ["agree"],
      ({ name, made }, version) => ({ name, encapsulation_b64: made.encapsulation, version }),
      USES,
    ),
    wrong: [wrongVersion, { encapsulation_b64: "AAAA" }],
  },
  "keys.derive_shared_secret": {
    ...row("agree", ["agree"], ({ name }, version) => ({ name, public_key_b64: PEER, version }), USES),
    wrong: [wrongVersion, { public_key_b64: "AAAA" }],
  },

  "keys.encrypt_batch": {
    ...row(
      "encrypt",
      ["encrypt"],
      ({ name }, version) => ({ key_name: name, items: [{ plaintext: "text" }], version }),
      USES,
    ),
    wrong: [wrongVersion, { algorithm: "none" }],
  },
  "keys.decrypt_batch": {
    ...row(
      "encrypt",
      ["encrypt", "wrap"],
      ({ name, made }) => ({ key_name: name, items: [{ ciphertext: made.ciphertext }] }),
      BY_ITEM,
    ),
    wrong: [{ items: [{ ciphertext: "AAAA" }] }],
  },
  "keys.rewrap_batch": {
    ...row(
      "encrypt",
      ["encrypt", "wrap"],
      ({ name, made }) => ({ name, items: [{ ciphertext: made.ciphertext }] }),
      BY_ITEM,
    ),
    wrong: [{ items: [{ ciphertext: "AAAA" }] }],
  },
  "keys.sign_batch": {
    ...row("sign", ["sign"], ({ name }, version) => ({ name, items: [{ message_b64: MESSAGE }], version }), USES),
    wrong: [wrongVersion, { algorithm: "none" }, { encoding: "none" }, { items: [{ digest_b64: "AAAA" }] }],
  },
  "keys.verify_batch": {
    ...row(
      "sign",
      ["sign"],
      ({ name, made }, version) => ({
        name,
        items: [{ message_b64: MESSAGE, signature_b64: made.signature }],
        version,
      }),
      USES,
    ),
    wrong: [wrongVersion, { algorithm: "none" }, { encoding: "none" }],
  },
  "keys.generate_mac_batch": {
    ...row("mac", ["mac"], ({ name }, version) => ({ name, items: [{ message_b64: MESSAGE }], version }), USES),
    wrong: [wrongVersion],
  },
  "keys.generate_data_key_batch": row("encrypt", ["encrypt", "wrap"], ({ name }) => ({ name, items: [{}] }), {
    key: ENABLED_ONLY,
    ...OF_KEY,
  }),
};

function row(
  family: Family,
  purposes: readonly Purpose[],
  request: KeyOperation["request"],
  answers: Pick<KeyOperation, "key" | "version" | "leads">,
): KeyOperation {
  return { family, purposes, request, ...answers };
}

/** The operations of the contract that take a key: those whose resource is one, or that name one in a field. */
export function operationsOnKeys(): readonly OperationSpec[] {
  return readOperations().filter(
    ({ resource, method }) =>
      resource.startsWith("key/") || method.input.fields.some((field) => field.name === "key_name"),
  );
}

/** Makes a key of a family, with one version unless it waits for its import. */
export async function createKey(server: InProcessServer, family: Family, name: string, waits = false): Promise<void> {
  const imported = waits || family === "import";
  await server.value("keys.create", { name, type: FAMILIES[family], exportable: true, imported });
  if (family === "import" && !waits) {
    await addVersion(server, family, name);
  }
}

/** Gives a key its next version. */
export async function addVersion({ unsealed, value }: InProcessServer, family: Family, name: string): Promise<void> {
  if (family !== "import") {
    await value("keys.rotate", { name });
    return;
  }
  const { vault, committer } = unsealed;
  const material = { material: randomBytes(64), publicKey: Buffer.alloc(0) };
  const plan = await vault.keys.importVersion(name, material, Date.now());
  await committer.submit(ownEntry("keys.import", `key/${name}`, Date.now()), plan);
}

/** Makes something of each kind that the key's latest version can make. */
export async function makeWith(server: InProcessServer, family: Family, name: string): Promise<Made> {
  const make = async (of: Family, action: string, member: string): Promise<string> => {
    if (family !== of) {
      return "AAAA";
    }
    const request = (KEY_OPERATIONS[action] as KeyOperation).request({ name, made: NOTHING }, 0);
    return (await server.value(action, request))[member] as string;
  };
  return {
    ciphertext: await make("encrypt", "keys.encrypt", "ciphertext"),
    signature: await make("sign", "keys.sign", "signature_b64"),
    mac: await make("mac", "keys.generate_mac", "mac_b64"),
    encapsulation: await make("encapsulate", "keys.encapsulate", "encapsulation_b64"),
    backup: await make("encrypt", "keys.backup", "backup"),
    wrapped: "AAAA",
  };
}

/** Prepares an import and wraps material for it. @returns Base64. */
export async function wrapForImport(server: InProcessServer, name: string): Promise<string> {
  const prepared = await server.value("keys.prepare_import", { name });
  const key = prepared["wrapping_public_key_pem"];
  assert.ok(typeof key === "string");
  const oaep = { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" };
  return publicEncrypt(oaep, randomBytes(64)).toString("base64");
}
