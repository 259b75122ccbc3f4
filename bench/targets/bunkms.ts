import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  DecryptRequestSchema,
  EncryptRequestSchema,
  GetSecretRequestSchema,
  SignRequestSchema,
} from "@bunkms/contract";
import type { PreparedRequest } from "../load/job.ts";
import type { BunkmsProcess } from "./bunkms-process.ts";
import { base64, httpRequest, PAYLOAD, type Target, type Workload } from "./target.ts";

const AAD = "bench";

/** Makes the keys and the secret of the benchmark in a fresh server, and says what is asked of it. */
export async function bunkmsTarget(name: string, server: BunkmsProcess): Promise<Target> {
  const call = caller(server);
  await call("/v1/keys", { name: "data" });
  await call("/v1/keys", { name: "signing", type: "ecdsa-p256" });
  await call("/v1/secrets", { name: "app/password", value: PAYLOAD });
  const { ciphertext } = await call("/v1/encrypt/data", { plaintext: PAYLOAD, aad: AAD });

  const headers = { authorization: `Bearer ${server.rootToken}` };
  const message = base64(PAYLOAD);
  const post = (path: string, body: unknown, expected: string): PreparedRequest =>
    httpRequest("POST", path, headers, body, expected);
  const rest = (operation: string, request: PreparedRequest): Workload => ({
    operation,
    transport: "REST",
    protocol: "http1",
    address: server.rest,
    request,
  });
  const grpc = <D extends DescMessage>(
    operation: string,
    path: string,
    schema: D,
    fields: MessageInitShape<D>,
    expected: Uint8Array | string,
  ): Workload => ({
    operation,
    transport: "gRPC",
    protocol: "grpc",
    address: server.grpc,
    request: {
      path,
      token: server.rootToken,
      bytes: base64(toBinary(schema, create(schema, fields))),
      expected: base64(expected),
    },
  });
  const binding = { case: "aad", value: AAD } as const;
  return {
    name,
    pid: server.pid,
    workloads: [
      rest("encrypt", post("/v1/encrypt/data", { plaintext: PAYLOAD, aad: AAD }, '"ciphertext":"bkms')),
      grpc(
        "encrypt",
        "/bunkms.v1.KeyService/Encrypt",
        EncryptRequestSchema,
        { keyName: "data", data: { case: "plaintext", value: PAYLOAD }, binding },
        "bkms",
      ),
      rest("decrypt", post("/v1/decrypt/data", { ciphertext, aad: AAD }, `"plaintext_b64":"${message}"`)),
      grpc(
        "decrypt",
        "/bunkms.v1.KeyService/Decrypt",
        DecryptRequestSchema,
        { keyName: "data", ciphertext: String(ciphertext), binding },
        PAYLOAD,
      ),
      rest("sign P-256", post("/v1/keys/signing/sign", { message_b64: message }, '"signature_b64":"M')),
      grpc(
        "sign P-256",
        "/bunkms.v1.KeyService/Sign",
        SignRequestSchema,
        { name: "signing", input: { case: "messageB64", value: Buffer.from(PAYLOAD) } },
        "ecdsa-sha256",
      ),
      rest(
        "get secret",
        httpRequest("GET", "/v1/secrets/app/password", headers, undefined, `"value_b64":"${message}"`),
      ),
      grpc(
        "get secret",
        "/bunkms.v1.SecretService/GetSecret",
        GetSecretRequestSchema,
        { name: "app/password" },
        PAYLOAD,
      ),
    ],
    stop: server.stop,
  };
}

function caller(server: BunkmsProcess) {
  return async (path: string, body: unknown): Promise<Readonly<Record<string, unknown>>> => {
    const response = await fetch(`http://${server.rest}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${server.rootToken}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) {
      throw new Error(`POST ${path}: ${response.status} ${await response.text()}`);
    }
    return (await response.json()) as Readonly<Record<string, unknown>>;
  };
}
