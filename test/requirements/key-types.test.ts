import assert from "node:assert/strict";
import { createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from "node:crypto";
import { after, before, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import type { KeyType, Purpose } from "../../packages/server/src/crypto/key-type.ts";
import { findKeyType, keyTypeNames } from "../../packages/server/src/crypto/key-types.ts";
import { type InProcessServer, startInProcess } from "./in-process-server.ts";
import { operationOf } from "./operation-call.ts";

const MESSAGE = Buffer.from("message").toString("base64");
const PURPOSES: readonly Purpose[] = ["encrypt", "wrap", "sign", "mac", "agree"];
const TYPES = keyTypeNames().map((name) => findKeyType(name) as KeyType);

let server: InProcessServer;

before(async () => {
  server = await startInProcess();
});

after(() => server[Symbol.asyncDispose]());

/** Uses the only version of a key. @returns What checks, once there is another version, that the old one still works. */
type Try = (name: string, type: KeyType) => Promise<() => Promise<void>>;

const TRIES: Readonly<Record<Purpose, Try>> = {
  async encrypt(name, { ciphers = [] }) {
    const made: string[] = [];
    for (const { name: algorithm, deterministic } of ciphers) {
      if (!deterministic) {
        const answer = await server.value("keys.encrypt", { key_name: name, plaintext: "text", algorithm });
        assert.deepEqual([answer["version"], answer["algorithm"]], [1, algorithm]);
        made.push(answer["ciphertext"] as string);
      }
    }
    assert.ok(made.length > 0);
    return async () => {
      for (const ciphertext of made) {
        const rewrapped = await server.value("keys.rewrap", { name, ciphertext });
        assert.deepEqual([rewrapped["version"], rewrapped["previous_version"]], [2, 1]);
        for (const [text, version] of [
          [ciphertext, 1],
          [rewrapped["ciphertext"] as string, 2],
        ] as const) {
          const opened = await server.value("keys.decrypt", { key_name: name, ciphertext: text });
          assert.deepEqual([opened["plaintext"], opened["version"]], ["text", version]);
        }
      }
    };
  },
  async wrap(name) {
    const { plaintext_b64, ciphertext } = await server.value("keys.generate_data_key", { name });
    const refused = await server.call("keys.encrypt", { key_name: name, plaintext: "text" });
    assert.equal(refused.code, "wrong_key_usage");
    return async () => {
      const opened = await server.value("keys.decrypt", { key_name: name, ciphertext: ciphertext as string });
      assert.deepEqual([opened["plaintext_b64"], opened["version"]], [plaintext_b64, 1]);
      assert.equal((await server.value("keys.generate_wrapped_data_key", { name }))["version"], 2);
    };
  },
  async sign(name, type) {
    const request = { name, message_b64: MESSAGE };
    const { signature_b64, algorithm } = await server.value("keys.sign", request);
    assert.equal(algorithm, type.signatures?.[0]?.name);
    return async () => {
      const verified = await server.value("keys.verify", { ...request, signature_b64: signature_b64 as string });
      assert.deepEqual(verified, { valid: true, version: 1 });
      const asNew = { ...request, signature_b64: signature_b64 as string, version: 2 };
      assert.equal((await server.value("keys.verify", asNew))["valid"], false);
      // The twelve of FIPS 205 take up to a second for a signature.
      if (!name.startsWith("slh-dsa")) {
        assert.equal((await server.value("keys.sign", request))["version"], 2);
      }
    };
  },
  async mac(name, type) {
    const request = { name, message_b64: MESSAGE };
    const { mac_b64, algorithm } = await server.value("keys.generate_mac", request);
    assert.equal(algorithm, type.mac?.name);
    return async () => {
      const verified = await server.value("keys.verify_mac", { ...request, mac_b64: mac_b64 as string });
      assert.deepEqual(verified, { valid: true, version: 1 });
      assert.notEqual((await server.value("keys.generate_mac", request))["mac_b64"], mac_b64);
    };
  },
  async agree(name, { encapsulation, agreement }) {
    assert.notEqual(encapsulation === undefined, agreement === undefined);
    return agreement === undefined ? encapsulates(name) : derives(name);
  },
};

async function encapsulates(name: string): Promise<() => Promise<void>> {
  const { encapsulation_b64, shared_secret_b64 } = await server.value("keys.encapsulate", { name });
  return async () => {
    const request = { name, encapsulation_b64: encapsulation_b64 as string };
    const opened = await server.value("keys.decapsulate", { ...request, version: 1 });
    assert.deepEqual(opened, { shared_secret_b64: shared_secret_b64 as string, version: 1 });
    const byNew = await server.value("keys.decapsulate", request);
    assert.equal(byNew["version"], 2);
    assert.notEqual(byNew["shared_secret_b64"], shared_secret_b64);
  };
}

async function derives(name: string): Promise<() => Promise<void>> {
  const peer = peerOf(await publicKeyOf(name, 1));
  const public_key_b64 = peer.publicKey.export({ type: "spki", format: "der" }).toString("base64");
  return async () => {
    for (const version of [1, 2]) {
      const secret = diffieHellman({ privateKey: peer.privateKey, publicKey: await publicKeyOf(name, version) });
      const derived = await server.value("keys.derive_shared_secret", { name, public_key_b64, version });
      assert.equal(derived["shared_secret_b64"], secret.toString("base64"));
    }
  };
}

async function publicKeyOf(name: string, version: number): Promise<KeyObject> {
  const { versions } = await server.value("keys.get", { name });
  return createPublicKey((versions as { public_key_pem: string }[])[version - 1]?.public_key_pem ?? "");
}

/** Another key pair on the curve of this one. */
function peerOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject) {
  const namedCurve = asymmetricKeyDetails?.namedCurve ?? "";
  return namedCurve === ""
    ? generateKeyPairSync(asymmetricKeyType as "x25519")
    : generateKeyPairSync("ec", { namedCurve });
}

for (const type of TYPES) {
  for (const purpose of type.purposes) {
    test(`${type.name} for ${purpose}: is created, used and rotated, and its old version still works`, async () => {
      const name = `${type.name}-${purpose}`;
      const created = await server.value("keys.create", { name, type: type.name, purpose });
      const expected = { name, type: type.name, purpose, state: "enabled", latest_version: 1 };
      assert.deepEqual({ ...created, ...expected }, created);
      const check = await TRIES[purpose](name, type);
      assert.equal((await server.value("keys.rotate", { name }))["latest_version"], 2);
      await check();
    });
  }
}

/** Options that fit no type, or not this one. */
function misfits(type: KeyType): JsonObject[] {
  const { purposes, derivable = false } = type;
  const isDeterministic = (type.ciphers ?? []).some(({ deterministic }) => deterministic);
  const foreign = PURPOSES.filter((purpose) => !purposes.includes(purpose));
  return [
    ...[...foreign, "none", "ENCRYPT", " encrypt", "encrypt,sign", "__proto__", "constructor", "purposes"].map(
      (purpose) => ({ purpose }),
    ),
    ...purposes
      .filter((purpose) => !derivable || purpose === "sign" || purpose === "agree")
      .map((purpose) => ({ purpose, derived: true })),
    ...purposes
      .filter((purpose) => !isDeterministic || purpose !== "encrypt")
      .map((purpose) => ({ purpose, deterministic: true })),
    ...[1, 60, 3599].map((rotation_period_seconds) => ({ rotation_period_seconds })),
    { imported: true, rotation_period_seconds: 3600 },
  ];
}

test("GHSA-8w8f-r2xv-4q4j a key with options that do not fit its type is refused, whatever the type, and not made", async () => {
  for (const type of TYPES) {
    for (const [i, options] of misfits(type).entries()) {
      const name = `misfit-${type.name}-${i}`;
      const transport = server.transports[i % 2] ?? server.transports[0];
      const request = { name, type: type.name, ...options };
      const answer = await transport.call(operationOf("keys.create"), request, { token: server.rootToken });
      assert.equal(answer.code, "invalid_request", `${JSON.stringify(request)}: ${answer.text}`);
      assert.match(answer.text, /^(purpose|derived|deterministic|rotation_period_seconds): /, JSON.stringify(request));
      assert.equal((await server.call("keys.get", { name })).code, "not_found", JSON.stringify(request));
    }
  }
});

test("GHSA-8w8f-r2xv-4q4j a key of any type that waits for its import does nothing, and ends nothing", async () => {
  for (const type of TYPES) {
    for (const purpose of type.purposes) {
      const name = `waits-${type.name}-${purpose}`;
      const request = { name, type: type.name, purpose, imported: true, exportable: true };
      const created = await server.value("keys.create", request);
      assert.deepEqual([created["state"], created["latest_version"], created["versions"]], ["pending_import", 0, []]);
      for (const [action, more] of [
        ["keys.rotate", {}],
        ["keys.sign", { message_b64: MESSAGE }],
        ["keys.verify", { message_b64: MESSAGE, signature_b64: "AAAA" }],
        ["keys.encapsulate", {}],
        ["keys.generate_mac", { message_b64: MESSAGE }],
        ["keys.generate_data_key", {}],
      ] as const) {
        const { code, text } = await server.call(action, { name, ...more });
        assert.ok(["wrong_key_state", "wrong_key_usage"].includes(code), `${action} with ${name}: ${code} ${text}`);
      }
    }
  }
});

test("GHSA-8w8f-r2xv-4q4j names of types that are none are refused, prototype names included", async () => {
  for (const type of ["AES-256", "aes-256 ", "aes256", "__proto__", "constructor", "toString", "rsa-1024", "des"]) {
    const answer = await server.call("keys.create", { name: "never", type });
    assert.equal(answer.code, "unsupported_key_type", type);
  }
  assert.equal((await server.call("keys.create", { name: "never", type: "a".repeat(65) })).code, "invalid_request");
  assert.equal((await server.call("keys.get", { name: "never" })).code, "not_found");
});
