import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { startServer, type TestServer } from "../harness/server.ts";
import { type Answer, bothTransports, closeAll, operationOf, type Transport } from "./operation-call.ts";

const MOST = 512 * 1024;

let server: TestServer;
let transports: readonly Transport[];

before(async () => {
  server = await startServer({ args: ["--log-level", "warn"] });
  transports = bothTransports(server);
  const made = [
    { name: "k", type: "aes-256" },
    { name: "p256", type: "ecdsa-p256" },
  ];
  for (const request of made) {
    assert.equal((await call(transports[0] as Transport, "keys.create", request)).code, "ok");
  }
});

after(async () => {
  closeAll(transports);
  await server.remove();
});

function call(transport: Transport, action: string, request: JsonObject): Promise<Answer> {
  return transport.call(operationOf(action), request, { token: server.rootToken });
}

async function succeed(transport: Transport, action: string, request: JsonObject): Promise<JsonObject> {
  const { code, text, value } = await call(transport, action, request);
  assert.equal(code, "ok", `${action} over ${transport.name}: ${text}`);
  return value;
}

const base64 = (length: number): string => Buffer.alloc(length, 0xa5).toString("base64");

const PAYLOADS = [
  { name: "plaintext", make: (length: number) => ({ plaintext: "a".repeat(length) }) },
  {
    name: "plaintext of two-byte characters",
    make: (length: number) => ({ plaintext: "é".repeat(length / 2) + "a".repeat(length % 2) }),
  },
  { name: "plaintext_b64", make: (length: number) => ({ plaintext_b64: base64(length) }) },
];

for (const name of ["rest", "grpc"] as const) {
  const over = (): Transport => transports.find((transport) => transport.name === name) as Transport;

  for (const { name: field, make } of PAYLOADS) {
    test(`REQ-37 a ${field} of exactly 512 KiB is encrypted and decrypted over ${name}`, async () => {
      const payload = make(MOST);
      const { ciphertext = "" } = await succeed(over(), "keys.encrypt", { key_name: "k", ...payload });
      const opened = await succeed(over(), "keys.decrypt", { key_name: "k", ciphertext });
      for (const [member, value] of Object.entries(payload)) {
        assert.ok(opened[member] === value);
      }
    });
  }

  test(`REQ-37 a secret and a message of exactly 512 KiB are accepted over ${name}`, async () => {
    const value_b64 = base64(MOST);
    await succeed(over(), "secrets.put", { name: `large/${name}`, value_b64 });
    assert.ok((await succeed(over(), "secrets.get", { name: `large/${name}` }))["value_b64"] === value_b64);
    const { signature_b64 = "" } = await succeed(over(), "keys.sign", { name: "p256", message_b64: value_b64 });
    const verified = await succeed(over(), "keys.verify", { name: "p256", message_b64: value_b64, signature_b64 });
    assert.equal(verified["valid"], true);
  });

  test(`REQ-37 one byte more than 512 KiB is refused over ${name}`, async () => {
    const refused: readonly (readonly [action: string, request: JsonObject])[] = [
      ...PAYLOADS.map(({ make }) => ["keys.encrypt", { key_name: "k", ...make(MOST + 1) }] as const),
      ["secrets.put", { name: "large/more", value: "a".repeat(MOST + 1) }],
      ["secrets.put", { name: "large/more", value_b64: base64(MOST + 1) }],
      ["keys.sign", { name: "p256", message_b64: base64(MOST + 1) }],
      ["keys.verify", { name: "p256", message_b64: base64(MOST + 1), signature_b64: "AAAA" }],
      ["keys.decrypt", { key_name: "k", ciphertext: "A".repeat(720_900) }],
    ];
    for (const [action, request] of refused) {
      const { code } = await call(over(), action, request);
      assert.ok(code === "invalid_request" || code === "payload_too_large", `${action}: ${code}`);
    }
  });

  test(`REQ-37 the largest request that the contract allows is served over ${name}`, async () => {
    const context = Object.fromEntries(
      Array.from({ length: 64 }, (_, i) => [`${i}`.padEnd(256, "k"), "v".repeat(4096)] as const),
    );
    const request = { key_name: "k", plaintext_b64: base64(MOST), context };
    const { ciphertext = "" } = await succeed(over(), "keys.encrypt", request);
    const opened = await succeed(over(), "keys.decrypt", { key_name: "k", ciphertext, context });
    assert.ok(opened["plaintext_b64"] === request.plaintext_b64);
    const aad_b64 = base64(32 * 1024);
    await succeed(over(), "keys.encrypt", { key_name: "k", plaintext_b64: base64(MOST), aad_b64 });
  });

  test(`REQ-37 a batch of as many items as the contract allows, with as many pairs each, is served over ${name}`, async () => {
    const context = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`k${i}`, ""]));
    const of = (make: (i: number) => JsonObject) => ({
      key_name: "k",
      items: Array.from({ length: 1000 }, (_, i) => ({ ...make(i), context })),
    });
    const encrypted = await succeed(
      over(),
      "keys.encrypt_batch",
      of((i) => ({ plaintext: `${i}` })),
    );
    const results = encrypted["results"] as { ciphertext: string }[];
    const opened = await succeed(
      over(),
      "keys.decrypt_batch",
      of((i) => ({ ciphertext: results[i]?.ciphertext ?? "" })),
    );
    assert.deepEqual(
      (opened["results"] as { plaintext: string }[]).map(({ plaintext }) => plaintext),
      Array.from({ length: 1000 }, (_, i) => `${i}`),
    );
  });

  test(`REQ-37 an empty plaintext, value and message are values like any other over ${name}`, async () => {
    for (const empty of [{ plaintext: "" }, { plaintext_b64: "" }]) {
      const { ciphertext = "" } = await succeed(over(), "keys.encrypt", { key_name: "k", ...empty });
      const opened = await succeed(over(), "keys.decrypt", { key_name: "k", ciphertext });
      assert.deepEqual([opened["plaintext"], opened["plaintext_b64"]], ["", ""]);
    }
    for (const empty of [{ value: "" }, { value_b64: "" }]) {
      await succeed(over(), "secrets.put", { name: "empty", ...empty });
      const read = await succeed(over(), "secrets.get", { name: "empty" });
      assert.deepEqual([read["value"], read["value_b64"]], ["", ""]);
    }
    const { signature_b64 = "" } = await succeed(over(), "keys.sign", { name: "p256", message_b64: "" });
    const verified = await succeed(over(), "keys.verify", { name: "p256", message_b64: "", signature_b64 });
    assert.equal(verified["valid"], true);
    assert.equal((await call(over(), "keys.encrypt", { key_name: "k" })).code, "invalid_request");
  });

  test(`REQ-37 each limit of the contract is exact over ${name}`, async () => {
    const pairs = (count: number): JsonObject =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, "v"]));
    const encrypt = { key_name: "k", plaintext: "x" };
    const limits: readonly (readonly [action: string, within: JsonObject, beyond: JsonObject])[] = [
      ["keys.encrypt", { ...encrypt, aad: "a".repeat(32_768) }, { ...encrypt, aad: "a".repeat(32_769) }],
      ["keys.encrypt", { ...encrypt, aad_b64: base64(32_768) }, { ...encrypt, aad_b64: base64(32_769) }],
      ["keys.encrypt", { ...encrypt, context: pairs(64) }, { ...encrypt, context: pairs(65) }],
      [
        "keys.encrypt",
        { ...encrypt, context: { ["k".repeat(256)]: "" } },
        { ...encrypt, context: { ["k".repeat(257)]: "" } },
      ],
      [
        "keys.encrypt",
        { ...encrypt, context: { k: "v".repeat(4096) } },
        { ...encrypt, context: { k: "v".repeat(4097) } },
      ],
      ["keys.encrypt", { ...encrypt, context: { k: "" } }, { ...encrypt, context: { "": "v" } }],
      ["keys.create", { name: `${name}`.padEnd(256, "n") }, { name: "n".repeat(257) }],
      ["keys.list", { page_size: 1000 }, { page_size: 1001 }],
      [
        "secrets.put",
        { name: `${"s".repeat(255)}/`.repeat(3) + "s".repeat(256), value: "x" },
        { name: "s".repeat(257), value: "x" },
      ],
      ["secrets.put", { name: "a/b", value: "x" }, { name: `${"s/".repeat(512)}s`, value: "x" }],
    ];
    for (const [action, within, beyond] of limits) {
      await succeed(over(), action, within);
      const { code } = await call(over(), action, beyond);
      assert.equal(code, "invalid_request", `${action} ${JSON.stringify(beyond).slice(0, 100)}`);
    }
  });
}
