import assert from "node:assert/strict";
import { constants, createHash, generateKeyPairSync, publicEncrypt } from "node:crypto";
import type { JsonObject } from "@bufbuild/protobuf";
import { type OperationSpec, readOperations } from "@bunkms/contract";
import { operationOf, type Transport } from "./operation-call.ts";

/** Names and values that requests are about. */
export interface Objects {
  /** A key for encrypting, with two versions. */
  readonly key: string;
  readonly signingKey: string;
  readonly macKey: string;
  readonly kemKey: string;
  readonly agreementKey: string;
  /** Of `key`. */
  readonly alias: string;
  readonly secret: string;
  /** A token's id. */
  readonly token: string;
  /** Of `SAMPLE_TEXT` under `key`. */
  readonly ciphertext: string;
  /** Of `SAMPLE_TEXT` by `signingKey`. */
  readonly signature: string;
  /** Of `SAMPLE_TEXT` by `macKey`. */
  readonly mac: string;
  /** For `kemKey`. */
  readonly encapsulation: string;
  /** A key that waits for its import, one whose import is prepared, and material that was wrapped for that. */
  readonly waitingKey: string;
  readonly preparedKey: string;
  readonly wrapped: string;
  readonly exportableKey: string;
  /** Of `key`. */
  readonly backup: string;
  /** The name of a legal hold, and the index of an audit entry. */
  readonly hold: string;
  readonly entry: string;
  /** The name of an attachment of the audit log, whose one part is `SAMPLE_TEXT`. */
  readonly attachment: string;
  /** A seal slot's id, and one of its shares, of which two are needed: where `makeSlot` made one. */
  readonly slot: string;
  readonly share: string;
}

/** A seal slot with shares. */
export interface SampleSlot {
  readonly slot: string;
  readonly shares: readonly [string, string, ...string[]];
}

/** What the samples encrypt, sign and store. */
export const SAMPLE_TEXT = "the value that must not leave";

const SAMPLE_BASE64 = Buffer.from(SAMPLE_TEXT).toString("base64");

const SAMPLE_DIGEST = createHash("sha256").update(SAMPLE_TEXT).digest("hex");

const RECIPIENT = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey;
const PEER = generateKeyPairSync("x25519").publicKey.export({ type: "spki", format: "der" }).toString("base64");

const SHARED_BY_TWO = { secret_shares: 2, secret_threshold: 2 };

const signing = ({ signingKey }: Objects) => ({ name: signingKey });
const ofVersion = () => ({ version: 1 });

/** What a request needs beside the names of its resource, by action. */
const EXTRAS = new Map<string, (objects: Objects) => JsonObject>([
  ["keys.encrypt", () => ({ plaintext: SAMPLE_TEXT })],
  ["keys.decrypt", ({ ciphertext }) => ({ ciphertext })],
  ["keys.rewrap", ({ ciphertext }) => ({ ciphertext })],
  ["keys.sign", (objects) => ({ ...signing(objects), message_b64: SAMPLE_BASE64 })],
  ["keys.verify", (objects) => ({ ...signing(objects), message_b64: SAMPLE_BASE64, signature_b64: objects.signature })],
  ["keys.generate_mac", ({ macKey }) => ({ name: macKey, message_b64: SAMPLE_BASE64 })],
  ["keys.verify_mac", ({ macKey, mac }) => ({ name: macKey, message_b64: SAMPLE_BASE64, mac_b64: mac })],
  ["keys.encapsulate", ({ kemKey }) => ({ name: kemKey })],
  ["keys.decapsulate", ({ kemKey, encapsulation }) => ({ name: kemKey, encapsulation_b64: encapsulation })],
  ["keys.derive_shared_secret", ({ agreementKey }) => ({ name: agreementKey, public_key_b64: PEER })],
  ["keys.encrypt_batch", () => ({ items: [{ plaintext: SAMPLE_TEXT }] })],
  ["keys.decrypt_batch", ({ ciphertext }) => ({ items: [{ ciphertext }] })],
  ["keys.rewrap_batch", ({ ciphertext }) => ({ items: [{ ciphertext }] })],
  ["keys.sign_batch", (objects) => ({ ...signing(objects), items: [{ message_b64: SAMPLE_BASE64 }] })],
  [
    "keys.verify_batch",
    (objects) => ({
      ...signing(objects),
      items: [{ message_b64: SAMPLE_BASE64, signature_b64: objects.signature }],
    }),
  ],
  ["keys.generate_mac_batch", ({ macKey }) => ({ name: macKey, items: [{ message_b64: SAMPLE_BASE64 }] })],
  ["keys.generate_data_key_batch", () => ({ items: [{}] })],
  ["keys.update", () => ({ description: "a sample" })],
  ["keys.enable_version", ofVersion],
  ["keys.disable_version", ofVersion],
  ["keys.schedule_version_deletion", ofVersion],
  ["keys.cancel_version_deletion", ofVersion],
  ["keys.prepare_import", ({ waitingKey }) => ({ name: waitingKey })],
  [
    "keys.import",
    ({ preparedKey, wrapped }) => ({
      name: preparedKey,
      wrapped_material_b64: wrapped,
      algorithm: "rsa-oaep-sha256",
      format: "raw",
    }),
  ],
  [
    "keys.import_plain",
    ({ waitingKey }) => ({
      name: waitingKey,
      material_b64: Buffer.alloc(32, 1).toString("base64"),
      format: "raw",
    }),
  ],
  ["keys.get_public", signing],
  ["keys.get_jwks", signing],
  [
    "keys.export",
    ({ exportableKey }) => ({
      name: exportableKey,
      public_key_pem: RECIPIENT.export({ format: "pem", type: "spki" }) as string,
    }),
  ],
  ["keys.export_plain", ({ exportableKey }) => ({ key_name: exportableKey })],
  ["keys.restore", ({ backup }) => ({ backup })],
  ["aliases.set", ({ key }) => ({ key_name: key })],
  ["secrets.put", () => ({ value: SAMPLE_TEXT })],
  ["secrets.destroy_version", ofVersion],
  ["secrets.import", () => ({ value_b64: SAMPLE_BASE64, created_at: "2024-01-02T03:04:05.678Z" })],
  ["attachments.add_part", () => ({ part: 0, data_b64: SAMPLE_BASE64 })],
  ["attachments.finish", () => ({ size: SAMPLE_TEXT.length, sha256: SAMPLE_DIGEST })],
  ["attachments.get_part", () => ({ part: 0 })],
  ["tokens.create", () => ({ display_name: "sample", role: "reader" })],
  ["audit.list", () => ({ page_size: 1 })],
  ["audit.tile", () => ({ level: "0", tile: "000.p/1" })],
  ["audit.bundle", () => ({ bundle: "000.p/1" })],
  ["audit.consistency", () => ({ from: "1", to: "2" })],
  ["audit.hash", () => ({ field: "aad", value: SAMPLE_TEXT })],
  ["audit.prune", () => ({ before: "256" })],
  ["seals.unseal", ({ share }) => ({ key: share })],
  ["seals.generate_root_token", ({ share }) => ({ key: share })],
  ["seals.add_slot", () => SHARED_BY_TWO],
]);

/**
 * The order in which each operation finds its object in the state that it needs: first what leaves it as it is, then one
 * step of its life after the other, then what takes objects away, and last what makes them where there are none.
 */
const IN_ORDER = [
  ...["keys.disable_version", "keys.enable_version", "keys.schedule_version_deletion", "keys.cancel_version_deletion"],
  ...["keys.disable", "keys.enable", "keys.revoke", "keys.schedule_deletion", "keys.cancel_deletion"],
  ...[
    "secrets.destroy_version",
    "secrets.delete",
    "tokens.revoke",
    "aliases.delete",
    "audit.release_hold",
    "attachments.remove",
    "seals.rewrap_slot",
    "seals.remove_slot",
  ],
  ...[
    "audit.set_hold",
    "attachments.add_part",
    "secrets.import",
    "secrets.put",
    "aliases.set",
    "keys.create",
    "keys.restore",
  ],
];

/** All operations of the contract, in an order in which they can be called with the samples. */
export function operationsInOrder(): readonly OperationSpec[] {
  return readOperations().toSorted((a, b) => IN_ORDER.indexOf(a.action) - IN_ORDER.indexOf(b.action));
}

/**
 * A valid request of the operation about these objects. An operation that needs more than its resource's name gets an
 * entry in the table above; without one the tests that go through all operations see it refused as malformed.
 */
export function sampleRequest({ action, resource }: OperationSpec, objects: Objects): JsonObject {
  const [kind, field] = /^([a-z]+)\/\{([a-z_]+)\}$/.exec(resource)?.slice(1) ?? [];
  const { key, alias, secret, token, slot, hold, entry, attachment } = objects;
  const name = ({ key, alias, secret, token, slot, hold, entry, attachment, seal: "shamir" } as Record<string, string>)[
    kind ?? ""
  ];
  assert.ok(
    !resource.includes("{") || (field !== undefined && name !== undefined),
    `${action}: nobody made a ${resource}`,
  );
  return { ...(field === undefined ? {} : { [field]: name as string }), ...EXTRAS.get(action)?.(objects) };
}

const NO_SLOT = "0".repeat(32);
const NO_ENTRY = "123456789012345";

function namesOf(prefix: string) {
  return {
    key: `${prefix}-key`,
    signingKey: `${prefix}-signing-key`,
    macKey: `${prefix}-mac-key`,
    kemKey: `${prefix}-kem-key`,
    agreementKey: `${prefix}-agreement-key`,
    alias: `${prefix}-alias`,
    secret: `${prefix}/secret`,
    hold: `${prefix}-hold`,
    attachment: `${prefix}-attachment`,
    waitingKey: `${prefix}-waiting-key`,
    preparedKey: `${prefix}-prepared-key`,
    exportableKey: `${prefix}-exportable-key`,
  };
}

/** Objects that nobody made, for requests that do not come so far. */
export const NO_OBJECTS: Objects = {
  ...namesOf("missing"),
  ...{ token: NO_SLOT, slot: NO_SLOT, share: "none", entry: NO_ENTRY },
  ...{ ciphertext: "AAAA", signature: "AAAA", mac: "AAAA", encapsulation: "AAAA", wrapped: "AAAA", backup: "AAAA" },
};

/** Makes one object of each kind. @param prefix Of their names. */
export async function makeObjects(transport: Transport, token: string, prefix: string): Promise<Objects> {
  const call = async (action: string, request: JsonObject): Promise<JsonObject> => {
    const answer = await transport.call(operationOf(action), request, { token });
    assert.equal(answer.code, "ok", `${action}: ${answer.text}`);
    return answer.value;
  };
  const names = namesOf(prefix);
  const text = async (action: string, request: JsonObject, member: string): Promise<string> =>
    (await call(action, request))[member] as string;
  await call("keys.create", { name: names.key });
  await call("keys.create", { name: names.signingKey, type: "ecdsa-p256" });
  await call("keys.create", { name: names.macKey, type: "hmac-sha256" });
  await call("keys.create", { name: names.kemKey, type: "ml-kem-768" });
  await call("keys.create", { name: names.agreementKey, type: "x25519" });
  await call("keys.create", { name: names.waitingKey, imported: true });
  await call("keys.create", { name: names.preparedKey, imported: true });
  await call("keys.create", { name: names.exportableKey, exportable: true });
  await call("aliases.set", { alias: names.alias, key_name: names.key });
  await call("secrets.put", { name: names.secret, value: SAMPLE_TEXT });
  await call("audit.set_hold", { name: names.hold });
  await call("attachments.add_part", { name: names.attachment, part: 0, data_b64: SAMPLE_BASE64 });
  const made = {
    ...names,
    ...{ slot: NO_SLOT, share: "none", entry: "0" },
    token: await text("tokens.create", { display_name: `${prefix}-token`, role: "reader" }, "id"),
    ciphertext: await text("keys.encrypt", { key_name: names.key, plaintext: SAMPLE_TEXT }, "ciphertext"),
    signature: await text("keys.sign", { name: names.signingKey, message_b64: SAMPLE_BASE64 }, "signature_b64"),
    mac: await text("keys.generate_mac", { name: names.macKey, message_b64: SAMPLE_BASE64 }, "mac_b64"),
    encapsulation: await text("keys.encapsulate", { name: names.kemKey }, "encapsulation_b64"),
    wrapped: wrap(await text("keys.prepare_import", { name: names.preparedKey }, "wrapping_public_key_pem")),
    backup: await text("keys.backup", { name: names.key }, "backup"),
  };
  await call("keys.rotate", { name: names.key });
  return made;
}

/** Releases all legal holds, those of other samples too: as long as there is one, no attachment is removed. */
export async function releaseHolds(transport: Transport, token: string): Promise<void> {
  const { value } = await transport.call(operationOf("audit.retention"), {}, { token });
  for (const { name } of value["holds"] as { name: string }[]) {
    const answer = await transport.call(operationOf("audit.release_hold"), { name }, { token });
    assert.equal(answer.code, "ok", answer.text);
  }
}

/** Makes a seal slot that two people open together, for the samples of the seals' operations. */
export async function makeSlot(transport: Transport, token: string): Promise<SampleSlot> {
  const answer = await transport.call(operationOf("seals.add_slot"), { kind: "shamir", ...SHARED_BY_TWO }, { token });
  assert.equal(answer.code, "ok", answer.text);
  const { slot, shares } = answer.value as { slot: { id: string }; shares: [string, string] };
  return { slot: slot.id, shares };
}

/** Wraps a made-up key for an import. */
function wrap(key: string): string {
  const options = { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" };
  return publicEncrypt(options, Buffer.alloc(32, 1)).toString("base64");
}

/** Objects of the same form that nobody made. @param prefix Of their names. */
export function missingObjects(like: Objects, prefix = "missing"): Objects {
  return {
    ...like,
    ...namesOf(prefix),
    token: "0".repeat(32),
    slot: NO_SLOT,
    entry: NO_ENTRY,
  };
}
