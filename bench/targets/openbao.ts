import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { findClosedPort } from "../../test/harness/canned-server.ts";
import { base64, PAYLOAD, restWorkloads, type Target } from "./target.ts";

const TOKEN = "bench-root-token";
const START_TIMEOUT_MS = 20_000;

/**
 * Starts OpenBao in development mode, which keeps everything in memory and records nothing, and gives it the transit
 * engine: what it does for a request is less than what BunKMS does.
 * @param program The `bao` binary.
 */
export async function startOpenbao(program: string, folder: string): Promise<Target> {
  const address = `127.0.0.1:${await findClosedPort()}`;
  const flags = ["-dev", "-dev-no-store-token", `-dev-root-token-id=${TOKEN}`, `-dev-listen-address=${address}`];
  const child = spawn(program, ["server", ...flags], { stdio: "ignore", env: { HOME: folder } });
  const ended = once(child, "exit");
  const call = async (path: string, body: unknown): Promise<Readonly<Record<string, unknown>>> => {
    const response = await fetch(`http://${address}/v1/${path}`, {
      method: "POST",
      headers: { "x-vault-token": TOKEN, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) {
      throw new Error(`OpenBao: POST ${path}: ${response.status} ${text}`);
    }
    return text === "" ? {} : (JSON.parse(text).data ?? {});
  };
  await Promise.race([
    untilServing(address),
    ended.then(() => {
      throw new Error(`${program} ended before it served`);
    }),
  ]);
  await call("sys/mounts/transit", { type: "transit" });
  await call("transit/keys/data", { type: "aes256-gcm96" });
  await call("transit/keys/signing", { type: "ecdsa-p256" });
  await call("secret/data/app/password", { data: { value: PAYLOAD } });
  const { ciphertext } = await call("transit/encrypt/data", { plaintext: base64(PAYLOAD) });

  const rest = restWorkloads(address, { "x-vault-token": TOKEN });
  return {
    name: "OpenBao",
    pid: child.pid as number,
    workloads: [
      rest("encrypt", "POST", "/v1/transit/encrypt/data", { plaintext: base64(PAYLOAD) }, '"ciphertext":"vault:v1:'),
      rest("decrypt", "POST", "/v1/transit/decrypt/data", { ciphertext }, `"plaintext":"${base64(PAYLOAD)}"`),
      rest("sign P-256", "POST", "/v1/transit/sign/signing", { input: base64(PAYLOAD) }, '"signature":"vault:v1:'),
      rest("get secret", "GET", "/v1/secret/data/app/password", undefined, `"value":"${PAYLOAD}"`),
    ],
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

async function untilServing(address: string): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline) {
    const response = await fetch(`http://${address}/v1/sys/health`).catch(() => undefined);
    if (response?.ok) {
      return;
    }
    await sleep(50);
  }
  throw new Error("OpenBao did not serve in time");
}
