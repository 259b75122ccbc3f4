/** Calls that give a server random secrets, in every operation and in every wrong way. */

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import type { JsonObject } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import type { Canaries } from "./canaries.ts";
import { operationOf, type Transport } from "./operation-call.ts";
import { sendBytes } from "./raw-calls.ts";
import { type RawRequest, requestBytes } from "./raw-http.ts";

/** Calls all operations with secrets of all kinds. What the server makes in secret joins the canaries. */
export async function callEverything(transport: Transport, token: string, canaries: Canaries): Promise<void> {
  const at = transport.name;
  const call = async (action: string, request: JsonObject, caller = token): Promise<JsonObject> => {
    const answer = await transport.call(operationOf(action), request, { token: caller });
    assert.equal(answer.code, "ok", `${action}: ${answer.text}`);
    return answer.value;
  };
  const base64 = (label: string): string => canaries.bytes(`${at} ${label}`).toString("base64");
  const text = (label: string): string => canaries.text(`${at} ${label}`);

  for (const type of ["aes-256", "ecdsa-p256", "ecdsa-p384", "rsa-2048"]) {
    await call("keys.create", { name: `${at}-${type}`, type });
    await call("keys.get", { name: `${at}-${type}` });
    await call("keys.list", {});
  }
  const key = `${at}-aes-256`;
  await call("keys.rotate", { name: key });
  for (const request of [
    { plaintext: text("plaintext"), aad: text("aad") },
    { plaintext_b64: base64("plaintext bytes"), aad_b64: base64("aad bytes") },
    { plaintext_b64: base64("plaintext with context"), context: { purpose: text("context value") } },
  ]) {
    const { plaintext: _, plaintext_b64: __, ...binding } = request as Record<string, unknown>;
    const { ciphertext } = await call("keys.encrypt", { key_name: key, ...request });
    await call("keys.decrypt", { key_name: key, ciphertext: ciphertext as string, ...(binding as JsonObject) });
  }
  for (const bytes of [16, 32, 64]) {
    const made = await call("keys.generate_data_key", { name: key, bytes, aad: text(`data key ${bytes} aad`) });
    canaries.add(`${at} data key ${bytes}`, Buffer.from(made["plaintext_b64"] as string, "base64"));
    await call("keys.generate_wrapped_data_key", { name: key, bytes });
  }
  for (const type of ["ecdsa-p256", "rsa-2048"]) {
    for (const input of [{ message_b64: base64(`${type} message`) }, { digest_b64: base64(`${type} digest`) }]) {
      const signed = await call("keys.sign", { name: `${at}-${type}`, ...input });
      const signature_b64 = signed["signature_b64"] as string;
      await call("keys.verify", { name: `${at}-${type}`, ...input, signature_b64 });
    }
  }
  await callKeyLife(call, at, canaries);
  const random = await call("system.random", {});
  canaries.add(`${at} random`, Buffer.from(random["random_b64"] as string, "base64"));

  await call("secrets.put", { name: `${at}/text`, value: text("secret") });
  await call("secrets.put", { name: `${at}/text`, value: text("second version of the secret") });
  await call("secrets.put", { name: `${at}/bytes`, value_b64: base64("secret bytes") });
  await call("secrets.put", { name: `${at}/gone`, value: text("deleted secret") });
  const imported = { value_b64: base64("imported secret"), created_at: "2024-01-02T03:04:05.678Z" };
  await call("secrets.import", { name: `${at}/imported`, ...imported });
  const attachment = canaries.bytes(`${at} attachment`);
  await call("attachments.add_part", { name: `${at}-log`, part: 0, data_b64: attachment.toString("base64") });
  await call("attachments.get_part", { name: `${at}-log`, part: 0 });
  for (const name of ["text", "bytes", "gone"]) {
    await call("secrets.get", { name: `${at}/${name}` });
  }
  await call("secrets.get", { name: `${at}/text`, version: 1 });
  await call("secrets.destroy_version", { name: `${at}/text`, version: 1 });
  await call("secrets.list_versions", { name: `${at}/text` });
  await call("secrets.delete", { name: `${at}/gone` });
  await call("secrets.list", {});

  for (const role of ["admin", "operator", "reader"]) {
    const made = await call("tokens.create", { display_name: `${at}-${role}`, role });
    const service = made["token"] as string;
    canaries.add(`${at} ${role} token`, Buffer.from(service));
    await call("tokens.get_self", {}, service);
    await transport.call(operationOf("tokens.list"), {}, { token: service });
    await call("tokens.revoke", { id: made["id"] as string });
    await transport.call(operationOf("tokens.get_self"), {}, { token: service });
  }
  await call("tokens.list", {});
  await call("audit.list", {});
  await call("system.metrics", {});
  await call("system.openapi", {});
}

/** Calls the operations in which secrets come and go beside encrypting and signing, and those of the life of keys. */
async function callKeyLife(call: Call, at: string, canaries: Canaries): Promise<void> {
  const secret = (label: string, value: unknown) => canaries.add(`${at} ${label}`, bytesOf(value));
  const base64 = (label: string): string => canaries.bytes(`${at} ${label}`).toString("base64");
  const text = (label: string): string => canaries.text(`${at} ${label}`);
  const key = `${at}-aes-256`;
  const alias = `@${at}-alias`;
  await call("aliases.set", { alias: alias.slice(1), key_name: key });
  const { ciphertext } = await call("keys.encrypt", { key_name: alias, plaintext: text("plaintext by alias") });
  await call("keys.rewrap", { name: alias, ciphertext: ciphertext as string });
  await call("keys.update", { name: key, description: "not secret", tags: { tag: "nor this" } });

  for (const [name, type] of [
    [`${at}-kem`, "ml-kem-768"],
    [`${at}-hybrid`, "x-wing"],
  ] as const) {
    await call("keys.create", { name, type });
    const made = await call("keys.encapsulate", { name });
    secret(`${type} shared secret`, made["shared_secret_b64"]);
    await call("keys.decapsulate", { name, encapsulation_b64: made["encapsulation_b64"] as string });
  }
  await call("keys.create", { name: `${at}-agrees`, type: "x25519" });
  const public_key_b64 = generateKeyPairSync("x25519").publicKey.export({ type: "spki", format: "der" });
  const derived = await call("keys.derive_shared_secret", {
    name: `${at}-agrees`,
    public_key_b64: public_key_b64.toString("base64"),
  });
  secret("derived secret", derived["shared_secret_b64"]);
  await call("keys.create", { name: `${at}-macs`, type: "hmac-sha256" });
  const message_b64 = base64("message for a code");
  const { mac_b64 } = await call("keys.generate_mac", { name: `${at}-macs`, message_b64 });
  await call("keys.verify_mac", { name: `${at}-macs`, message_b64, mac_b64: mac_b64 as string });

  const batch = await call("keys.encrypt_batch", {
    key_name: key,
    items: [
      { plaintext: text("plaintext of a batch") },
      { plaintext_b64: base64("bytes of a batch"), aad: text("aad") },
    ],
  });
  const items = (batch["results"] as { ciphertext: string }[]).map((item) => ({ ciphertext: item.ciphertext }));
  await call("keys.decrypt_batch", { key_name: key, items });
  await call("keys.rewrap_batch", { name: key, items });
  const dataKeys = await call("keys.generate_data_key_batch", { name: key, items: [{}, {}] });
  for (const [i, made] of (dataKeys["results"] as { plaintext_b64: string }[]).entries()) {
    secret(`data key ${i} of a batch`, made.plaintext_b64);
  }
  for (const action of [
    "keys.disable",
    "keys.enable",
    "keys.revoke",
    "keys.schedule_deletion",
    "keys.cancel_deletion",
    "keys.enable",
  ]) {
    await call(action, { name: key });
  }
  await call("keys.preview_deletion", { name: alias });
  await call("aliases.delete", { alias: alias.slice(1) });
}

type Call = (action: string, request: JsonObject) => Promise<JsonObject>;

function bytesOf(base64: unknown): Buffer {
  return Buffer.from(base64 as string, "base64");
}

/** Sends secrets in all wrong ways over REST. @returns What the server answered, whole. */
export async function sendWrongRest(url: string, token: string, canaries: Canaries): Promise<readonly string[]> {
  let sent = 0;
  const canary = (): string => {
    sent += 1;
    return canaries.text(`wrong REST request ${sent}`);
  };
  const send = (request: RawRequest): Promise<string> => sendBytes(url, requestBytes(request).toString("latin1"));
  const post = (target: string, body: string): Promise<string> => send({ method: "POST", target, token, body });
  const bodies = [
    () => `{"name":"a","value":"${canary()}"`,
    () => `{"name":"a","value":"${canary()}",}`,
    () => `{"name":"a","value":"${canary()}","value":"${canary()}"}`,
    () => `{"name":"a","value":"${canary()}","value_b64":"${canary()}"}`,
    () => `{"name":"a","value":{"${canary()}":"${canary()}"}}`,
    () => `{"name":"a","value":["${canary()}"]}`,
    () => `{"name":"a","value_b64":"${canary()}!"}`,
    () => `{"name":"a","${canary()}":"${canary()}"}`,
    () => `{"name":"${canary()} with blanks","value":"x"}`,
    () => `{"name":"a","value":"${canary()}\u0001"}`,
    () => `["${canary()}"]`,
    () => `"${canary()}"`,
    () => canary(),
  ];
  const answers: string[] = [];
  for (const body of bodies) {
    for (const target of [
      ...["/v1/secrets", "/v1/keys", "/v1/tokens", "/v1/encrypt/a", "/v1/keys/a/sign", "/v1/keys/a/mac"],
      ...["/v1/keys/a/derive", "/v1/keys/a/rewrap", "/v1/encrypt/a/batch", "/v1/keys/a/import/plain"],
    ]) {
      answers.push(await post(target, body()));
    }
  }
  const others = [
    post("/v1/tokens", `{"display_name":"a","role":"${canary()}"}`),
    post("/v1/decrypt/rest-aes-256", `{"ciphertext":"${canary()}"}`),
    post("/v1/decrypt/rest-aes-256/batch", `{"items":[{"ciphertext":"${canary()}"},{"plaintext":"${canary()}"}]}`),
    post("/v1/keys/rest-agrees/derive", `{"public_key_b64":"${Buffer.from(canary()).toString("base64")}"}`),
    post("/v1/keys/rest-kem/decapsulate", `{"encapsulation_b64":"${Buffer.from(canary()).toString("base64")}"}`),
    post(
      "/v1/keys/rest-macs/import/plain",
      `{"material_b64":"${Buffer.from(canary()).toString("base64")}","format":"raw"}`,
    ),
    post("/v1/keys/rest-macs/schedule-deletion", `{"window_days":"${canary()}"}`),
    send({ method: "PATCH", target: "/v1/keys/rest-macs", token, body: `{"tags":{"${canary()} x":"${canary()}"}}` }),
    send({ method: "PUT", target: `/v1/aliases/@${canary()}`, token, body: `{"key_name":"@${canary()}"}` }),
    send({ method: "POST", target: `/v1/keys/rest-macs/versions/${canary()}/disable`, token, body: "{}" }),
    post("/v1/decrypt/rest-aes-256", `{"ciphertext":"${Buffer.from(canary()).toString("base64")}"}`),
    post(`/v1/secrets?token=${canary()}`, `{"name":"a","value":"${canary()}"}`),
    send({ target: `/v1/keys?prefix=a&${canary()}=${canary()}`, token }),
    send({ target: `/v1/keys?page_token=${canary()}`, token }),
    send({ target: `/v1/keys?page_size=${canary()}`, token }),
    send({ target: `/v1/audit/entries?since=${canary()}`, token }),
    send({ target: `/v1/${canary()}`, token }),
    send({ target: `/v1/secrets/${canary()}%00`, token }),
    send({ target: `/v1/secrets/%FF${canary()}`, token }),
    send({ target: "/v1/keys", token: canary() }),
    send({ target: "/v1/keys", headers: [`authorization: Basic ${canary()}`] }),
    send({ target: "/v1/keys", headers: [`authorization: ${canary()}`] }),
    send({ target: "/v1/keys", headers: [`x-vault-token: ${canary()}`, `cookie: token=${canary()}`] }),
    send({ target: "/v1/keys", token, headers: [`x-request-id: ${canary()} ${canary()}`] }),
    send({ target: "/v1/keys", token, headers: [`x-padding: ${canary().repeat(500)}`] }),
    send({
      method: "POST",
      target: "/v1/keys",
      token,
      headers: [`content-type: ${canary()}`, "content-length: 0"],
    }),
    send({ method: canary(), target: "/v1/keys", token }),
    sendBytes(url, `GET /v1/${canary()} HTTP/9.9\r\n${canary()}\r\n\r\n`),
    sendBytes(url, `${canary()}\r\n\r\n`),
  ];
  return [...answers, ...(await Promise.all(others))];
}

/** Sends secrets in wrong messages and metadata over gRPC. @returns All that came back, statuses and trailers. */
export async function sendWrongGrpc(address: string, token: string, canaries: Canaries): Promise<readonly string[]> {
  const client = new grpc.Client(address, grpc.credentials.createInsecure());
  const field = (number: number, bytes: Buffer): Buffer =>
    Buffer.concat([Buffer.of((number << 3) | 2, bytes.length), bytes]);
  const canary = (label: string): Buffer => Buffer.from(canaries.text(`wrong gRPC ${label}`));
  const messages = [
    canary("bytes"),
    field(15, canary("unknown field")),
    Buffer.concat([field(1, canary("name")), field(2, Buffer.concat([canary("ill-formed text"), Buffer.of(0xff)]))]),
    Buffer.concat([
      field(1, Buffer.concat([canary("name with a blank"), Buffer.from(" ")])),
      field(2, canary("value")),
    ]),
    field(1, canary("cut")).subarray(0, -3),
  ];
  const answers: string[] = [];
  for (const path of ["/bunkms.v1.SecretService/PutSecret", "/bunkms.v1.KeyService/Encrypt", "/bunkms.v1.None/None"]) {
    for (const message of messages) {
      for (const authorization of [`Bearer ${token}`, `Bearer ${canary(`${path} token`)}`]) {
        const metadata = new grpc.Metadata();
        metadata.set("authorization", authorization);
        metadata.set("x-secret", canary(`${path} metadata`).toString());
        answers.push(await callBytes(client, path, message, metadata));
      }
    }
  }
  client.close();
  return answers;
}

function callBytes(client: grpc.Client, path: string, message: Buffer, metadata: grpc.Metadata): Promise<string> {
  const asIs = (bytes: Buffer): Buffer => bytes;
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, asIs, asIs, message, metadata, (error, answer) => {
      const trailers = Object.values(error?.metadata?.toJSON() ?? {})
        .flat()
        .map(String);
      resolve([error?.details, ...trailers, answer?.toString("latin1")].join("\n"));
    });
  });
}
