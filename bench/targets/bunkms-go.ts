import { join } from "node:path";
import { startGoKms } from "../../test/bunbase/go-kms.ts";
import { base64, PAYLOAD, restWorkloads, type Target } from "./target.ts";

const AAD = "bench";

/**
 * Starts the BunKMS written in Go with its store and its audit log on the same disk, and makes the keys and the secret. It asks
 * for no token, and its audit log is not synced: what it does for a request is less than what BunKMS does.
 */
export async function startBunkmsGo(folder: string): Promise<Target> {
  const server = await startGoKms({
    BUNKMS_DATA_PATH: join(folder, "bunkms-go"),
    BUNKMS_AUDIT_LOG: join(folder, "bunkms-go-audit.log"),
  });
  await server.post("/v1/keys", { name: "data" });
  await server.post("/v1/keys", { name: "signing", type: "ecdsa-p256" });
  await server.post("/v1/secrets", { name: "app.password", value: PAYLOAD });
  const { ciphertext } = await server.post("/v1/encrypt/data", { plaintext: PAYLOAD, aad: AAD });

  const rest = restWorkloads(server.address, {});
  const digest_b64 = base64(Buffer.alloc(32, 7));
  const secret = `"value":"${PAYLOAD}"`;
  return {
    name: "BunKMS in Go",
    pid: server.pid,
    workloads: [
      // A ciphertext begins with the key's version, in four bytes.
      rest("encrypt", "POST", "/v1/encrypt/data", { plaintext: PAYLOAD, aad: AAD }, '"ciphertext":"AAAAA'),
      rest("decrypt", "POST", "/v1/decrypt/data", { ciphertext, aad: AAD }, `"plaintext":"${PAYLOAD}"`),
      rest("sign P-256", "POST", "/v1/keys/signing/sign", { digest_b64 }, '"signature_b64":"'),
      rest("get secret", "GET", "/v1/secrets/app.password", undefined, secret),
    ],
    stop: () => server.stop(),
  };
}
