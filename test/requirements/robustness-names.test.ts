import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { ERRORS, isErrorCode } from "@bunkms/contract";
import { startServer, type TestServer } from "../harness/server.ts";
import { type Answer, bothTransports, closeAll, operationOf, type Transport } from "./operation-call.ts";

/** Names that mean something to JavaScript, to this server or to others like it, and that a key may have. */
const ORDINARY = [
  ...["constructor", "hasOwnProperty", "toString", "valueOf", "toJSON", "isPrototypeOf", "prototype", "then", "length"],
  ...["null", "undefined", "NaN", "true", "0", "default", "root", "self", "rotate", "datakey", "keys", "sys", "health"],
];
/** Names that JavaScript gives a meaning and that no key may have, since they begin with `_`. */
const REFUSED = ["__proto__", "__defineGetter__", "__lookupSetter__"];

let server: TestServer;
let transports: readonly Transport[];

before(async () => {
  server = await startServer({ args: ["--log-level", "warn"] });
  transports = bothTransports(server);
  for (const [name, type] of Object.entries(KEYS)) {
    await succeed(rest(), "keys.create", { name, type });
  }
});

after(async () => {
  closeAll(transports);
  // Whatever was asked: nothing went wrong inside.
  assert.doesNotMatch(server.output(), /"level":50|TypeError|at Object\./);
  await server.remove();
});

const KEYS: Readonly<Record<string, string>> = {
  "an-aes": "aes-256",
  "an-rsa": "rsa-2048",
  "a-p256": "ecdsa-p256",
  "a-p384": "ecdsa-p384",
};

function rest(): Transport {
  return transports[0] as Transport;
}

function call(transport: Transport, action: string, request: JsonObject): Promise<Answer> {
  return transport.call(operationOf(action), request, { token: server.rootToken });
}

async function succeed(transport: Transport, action: string, request: JsonObject): Promise<JsonObject> {
  const { code, text, value } = await call(transport, action, request);
  assert.equal(code, "ok", `${action}: ${text}`);
  return value;
}

async function fail(transport: Transport, action: string, request: JsonObject, ...codes: string[]): Promise<void> {
  const { code, text } = await call(transport, action, request);
  assert.ok(codes.includes(code), `${action} over ${transport.name}: ${code}: ${text}`);
}

for (const [at, name] of ORDINARY.entries()) {
  test(`REQ-38 ${name} is an ordinary name of a key and of a secret`, async () => {
    const [one, other] = at % 2 === 0 ? transports : transports.toReversed();
    assert.ok(one !== undefined && other !== undefined);
    await fail(one, "keys.get", { name }, "not_found");
    await fail(other, "keys.encrypt", { key_name: name, plaintext: "x" }, "not_found");
    assert.equal((await succeed(one, "keys.create", { name }))["name"], name);
    await fail(other, "keys.create", { name }, "already_exists");
    assert.equal((await succeed(other, "keys.rotate", { name }))["latest_version"], 2);
    const { ciphertext = "" } = await succeed(one, "keys.encrypt", { key_name: name, plaintext: name });
    assert.equal((await succeed(other, "keys.decrypt", { key_name: name, ciphertext }))["plaintext"], name);
    const { keys } = await succeed(other, "keys.list", { prefix: name });
    assert.deepEqual(
      (keys as JsonObject[]).map((key) => key["name"]),
      [name],
    );

    for (const secret of [name, `a/${name}`, `${name}/${name}`]) {
      await fail(one, "secrets.get", { name: secret }, "not_found");
      await succeed(one, "secrets.put", { name: secret, value: secret });
      assert.equal((await succeed(other, "secrets.get", { name: secret }))["value"], secret);
      await succeed(other, "secrets.delete", { name: secret });
      await fail(one, "secrets.get", { name: secret }, "not_found");
    }
    const made = await succeed(one, "tokens.create", { display_name: name, role: "reader" });
    assert.deepEqual([made["display_name"], made["role"]], [name, "reader"]);
  });
}

test("REQ-38 __proto__ and its like are refused as names, whatever is asked of them", async () => {
  for (const transport of transports) {
    for (const name of REFUSED) {
      for (const action of ["keys.create", "keys.get", "keys.rotate", "keys.generate_data_key"]) {
        await fail(transport, action, { name }, "invalid_request");
      }
      await fail(transport, "keys.encrypt", { key_name: name, plaintext: "x" }, "invalid_request");
      await fail(transport, "secrets.put", { name: `a/${name}`, value: "x" }, "invalid_request");
      await fail(transport, "secrets.get", { name }, "invalid_request");
      await fail(transport, "tokens.create", { display_name: name, role: "reader" }, "invalid_request");
      await fail(transport, "tokens.revoke", { id: name }, "invalid_request");
      const { entries } = await succeed(transport, "audit.list", { operation: name, identity: name });
      assert.deepEqual(entries, []);
    }
  }
});

test("GHSA-8w8f-r2xv-4q4j REQ-38 no word but the types' own is a key type, an algorithm or a role", async () => {
  for (const transport of transports) {
    for (const word of [...ORDINARY, ...REFUSED, "AES-256", "aes-256 ", "aes-256\0", "rsa-1024", "rsa-2048,aes-256"]) {
      await fail(transport, "keys.create", { name: "never", type: word }, "unsupported_key_type");
      await fail(transport, "tokens.create", { display_name: "never", role: word }, "invalid_request");
      for (const [name, type] of Object.entries(KEYS)) {
        const code = type === "aes-256" ? "wrong_key_usage" : "unsupported_algorithm";
        await fail(transport, "keys.sign", { name, message_b64: "", algorithm: word }, code);
        await fail(transport, "keys.verify", { name, message_b64: "", signature_b64: "AAAA", algorithm: word }, code);
      }
    }
    await fail(transport, "keys.get", { name: "never" }, "not_found");
  }
});

const ALGORITHMS = [
  ...["", "rsa-pss-sha256", "rsa-pss-sha384", "rsa-pss-sha512", "rsa-pkcs1-sha256", "rsa-pkcs1-sha384"],
  ...["rsa-pkcs1-sha512", "ecdsa-sha256", "ecdsa-sha384"],
];

test("GHSA-8w8f-r2xv-4q4j every key type with every option that fits another gets a plain refusal", async () => {
  const requests: (readonly [action: string, request: JsonObject])[] = [];
  for (const name of Object.keys(KEYS)) {
    for (const algorithm of ALGORITHMS) {
      for (const length of [0, 1, 20, 32, 48, 64]) {
        const digest_b64 = Buffer.alloc(length, 1).toString("base64");
        requests.push(["keys.sign", { name, algorithm, digest_b64 }]);
        requests.push(["keys.verify", { name, algorithm, digest_b64, signature_b64: "AAAA", version: length }]);
      }
      requests.push(["keys.sign", { name, algorithm, message_b64: "" }]);
    }
    for (const bytes of [0, 1, 16, 32, 64, 0xffffffff]) {
      requests.push(["keys.generate_data_key", { name, bytes }], ["keys.generate_wrapped_data_key", { name, bytes }]);
    }
    requests.push(["keys.encrypt", { key_name: name, plaintext: "" }]);
    requests.push(
      ["keys.decrypt", { key_name: name, ciphertext: "" }],
      ["keys.decrypt", { key_name: name, ciphertext: "AAAA" }],
    );
  }
  for (const [action, request] of requests) {
    const answers = await Promise.all(transports.map((transport) => call(transport, action, request)));
    const [first] = answers;
    for (const { code } of answers) {
      assert.equal(code, first?.code, `${action} ${JSON.stringify(request)}`);
      assert.ok(
        code === "ok" || (isErrorCode(code) && ERRORS[code].http < 500),
        `${action} ${JSON.stringify(request)}: ${code}`,
      );
    }
  }
});

test("REQ-38 an encryption context binds under any key, __proto__ and constructor as well", async () => {
  for (const [at, name] of [...ORDINARY, ...REFUSED].entries()) {
    const [one, other] = at % 2 === 0 ? transports : transports.toReversed();
    assert.ok(one !== undefined && other !== undefined);
    // Computed, since as a literal `__proto__` sets the prototype.
    const context = { [name]: "bound" };
    const { ciphertext = "" } = await succeed(one, "keys.encrypt", { key_name: "an-aes", plaintext: "x", context });
    const decrypt = (transport: Transport, bound: JsonObject): Promise<Answer> =>
      call(transport, "keys.decrypt", { key_name: "an-aes", ciphertext, context: bound });
    for (const transport of [one, other]) {
      assert.equal((await decrypt(transport, context)).code, "ok", name);
      for (const wrong of [{}, { [name]: "other" }, { [name]: "bound", more: "" }, { [`${name}x`]: "bound" }]) {
        assert.equal((await decrypt(transport, wrong)).code, "decryption_failed", name);
      }
    }
  }
});

test("REQ-38 a JSON member or query parameter of such a name is an unknown field", async () => {
  const headers = { authorization: `Bearer ${server.rootToken}`, "content-type": "application/json" };
  const refused = async (path: string, init: RequestInit = {}): Promise<void> => {
    const response = await fetch(`${server.url}${path}`, { ...init, headers });
    const { code } = (await response.json()) as { code: string };
    assert.deepEqual([response.status, code], [400, "invalid_request"], `${path} ${init.body}`);
  };
  for (const name of [...ORDINARY, ...REFUSED].filter((word) => word !== "keys")) {
    for (const value of ['"x"', "{}", '{"type":"aes-256"}', "null", "[]", "1"]) {
      const body = `{"name":"never","${name}":${value}}`;
      await refused("/v1/keys", { method: "POST", body });
      await refused("/v1/encrypt/an-aes", {
        method: "POST",
        body: `{"plaintext":"x","context":{"a":{"${name}":${value}}}}`,
      });
    }
    await refused(`/v1/keys?${name}=1`);
    await refused(`/v1/keys?prefix%5B${name}%5D=1`);
  }
  // The required field given by way of the prototype is not given.
  await refused("/v1/keys", { method: "POST", body: '{"__proto__":{"name":"never"}}' });
  await refused("/v1/keys", { method: "POST", body: '{"name":"never","\\u005f_proto__":{"type":"aes-256"}}' });
  await fail(rest(), "keys.get", { name: "never" }, "not_found");
});
