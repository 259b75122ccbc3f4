import { KeyService, SecretService } from "@bunkms/contract";
import type { BunkmsProcess } from "./bunkms-process.ts";
import { bunkmsWorkloads } from "./bunkms-workloads.ts";
import { base64, PAYLOAD, type Target } from "./target.ts";

const AAD = "bench";

/** Makes the keys and the secret of the benchmark in a fresh server, and says what is asked of it. */
export async function bunkmsTarget(name: string, server: BunkmsProcess): Promise<Target> {
  const { call, rest, grpc } = bunkmsWorkloads(server);
  await call("/v1/keys", { name: "data" });
  await call("/v1/keys", { name: "signing", type: "ecdsa-p256" });
  await call("/v1/secrets", { name: "app/password", value: PAYLOAD });
  const { ciphertext } = await call("/v1/encrypt/data", { plaintext: PAYLOAD, aad: AAD });

  const message = base64(PAYLOAD);
  const binding = { case: "aad", value: AAD } as const;
  return {
    name,
    pid: server.pid,
    workloads: [
      rest("encrypt", "/v1/encrypt/data", { plaintext: PAYLOAD, aad: AAD }, '"ciphertext":"bkms'),
      grpc(
        "encrypt",
        KeyService.method.encrypt,
        { keyName: "data", data: { case: "plaintext", value: PAYLOAD }, binding },
        "bkms",
      ),
      rest("decrypt", "/v1/decrypt/data", { ciphertext, aad: AAD }, `"plaintext_b64":"${message}"`),
      grpc("decrypt", KeyService.method.decrypt, { keyName: "data", ciphertext: String(ciphertext), binding }, PAYLOAD),
      rest("sign P-256", "/v1/keys/signing/sign", { message_b64: message }, '"signature_b64":"M'),
      grpc(
        "sign P-256",
        KeyService.method.sign,
        { name: "signing", input: { case: "messageB64", value: Buffer.from(PAYLOAD) } },
        "ecdsa-sha256",
      ),
      rest("get secret", "/v1/secrets/app/password", undefined, `"value_b64":"${message}"`),
      grpc("get secret", SecretService.method.getSecret, { name: "app/password" }, PAYLOAD),
    ],
    stop: server.stop,
  };
}
