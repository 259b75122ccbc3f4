import { spawn } from "node:child_process";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ROOT } from "../../scripts/run-program.ts";
import { type CannedAnswer, type CannedRequest, findClosedPort, startCannedServer } from "./canned-server.ts";

/** OpenBao's program; BUNKMS_TEST_OPENBAO may name another one than the suite installs. */
export const OPENBAO = process.env["BUNKMS_TEST_OPENBAO"] ?? join(ROOT, ".cache", "bin", "bao");
const START_TIMEOUT_MS = 20_000;
const POLL_MS = 50;

/** A vault with a Transit engine, and its root token. */
export interface Vault {
  readonly url: string;
  readonly token: string;
  /** A call to its API that must succeed. */
  call(method: "GET" | "POST", path: string, body?: object): Promise<unknown>;
  close(): Promise<void>;
}

/** The stand-in, which can be told to behave otherwise. */
export interface StandInVault extends Vault {
  readonly requests: readonly CannedRequest[];
  /** Answers in the place of the stand-in, when it gives something. */
  instead: ((request: CannedRequest) => CannedAnswer | undefined) | undefined;
  /** The tokens that are valid, with their lease in seconds, counted from the last renewal. */
  readonly leases: Map<string, { readonly ttl: number; readonly isRenewable: boolean; end: number }>;
}

/** OpenBao, with its Transit engine mounted. @throws Error when its program is not there. */
export async function startOpenBao(): Promise<Vault> {
  if (!existsSync(OPENBAO)) {
    throw new Error(`OpenBao is not in ${OPENBAO}; npm test installs it`);
  }
  const address = `127.0.0.1:${await findClosedPort()}`;
  // OpenBao refuses a root token with a dot, as its own tokens have one.
  const token = randomBytes(12).toString("hex");
  const args = [
    "server",
    "-dev",
    "-dev-no-store-token",
    `-dev-root-token-id=${token}`,
    `-dev-listen-address=${address}`,
  ];
  const child = spawn(OPENBAO, args, { stdio: "ignore" });
  const ended = once(child, "close");
  const url = `http://${address}`;
  const close = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline && child.exitCode === null) {
    const isUp = await fetch(`${url}/v1/sys/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isUp) {
      const call = caller(url, token);
      await call("POST", "/v1/sys/mounts/transit", { type: "transit" });
      return { url, token, call, close };
    }
    await sleep(POLL_MS);
  }
  await close();
  throw new Error(`${OPENBAO} does not serve`);
}

function caller(url: string, token: string): Vault["call"] {
  return async (method, path, body) => {
    const init = {
      method,
      headers: { "x-vault-token": token },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
    const response = await fetch(url + path, init);
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  };
}

/**
 * A stand-in for Vault's Transit engine and its tokens, written from the published HTTP API: encrypt and decrypt with
 * associated data, lookup-self, renew-self. It is not Vault.
 */
export async function startStandInVault(tls?: { readonly cert: string; readonly key: string }): Promise<StandInVault> {
  const token = `hvs.${randomBytes(12).toString("hex")}`;
  const keys = new Map<string, Buffer>();
  const leases: StandInVault["leases"] = new Map([
    [token, { ttl: 0, isRenewable: false, end: Number.POSITIVE_INFINITY }],
  ]);

  function answer(request: CannedRequest): CannedAnswer {
    const instead = vault.instead?.(request);
    if (instead !== undefined) return instead;
    const lease = leases.get(String(request.headers["x-vault-token"]));
    if (lease === undefined || lease.end < Date.now()) return errors(403, "permission denied");
    const [, , mount, action, name = ""] = request.path.split("/");
    if (request.path === "/v1/auth/token/lookup-self") {
      return { status: 200, body: { data: { ttl: lease.ttl, renewable: lease.isRenewable } } };
    }
    if (request.path === "/v1/auth/token/renew-self") {
      lease.end = Date.now() + lease.ttl * 1000;
      return { status: 200, body: { auth: { lease_duration: lease.ttl, renewable: lease.isRenewable } } };
    }
    if (mount === "sys") return { status: 204 };
    if (mount !== "transit") return errors(404, "no handler for route");
    if (action === "keys") {
      keys.set(name, randomBytes(32));
      return { status: 200, body: {} };
    }
    const key = keys.get(name);
    if (key === undefined) return errors(400, "encryption key not found");
    const body = JSON.parse(request.body.toString("utf8")) as Record<string, string>;
    const aad = Buffer.from(body["associated_data"] ?? "", "base64");
    return action === "encrypt"
      ? encrypt(key, body["plaintext"] ?? "", aad)
      : decrypt(key, body["ciphertext"] ?? "", aad);
  }

  const server = await startCannedServer(answer, tls);
  const vault: StandInVault = {
    url: server.url,
    token,
    requests: server.requests,
    call: caller(server.url, token),
    close: server.close,
    instead: undefined,
    leases,
  };
  return vault;
}

function encrypt(key: Buffer, plaintext: string, aad: Buffer): CannedAnswer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(aad);
  const bytes = Buffer.concat([nonce, cipher.update(plaintext, "base64"), cipher.final(), cipher.getAuthTag()]);
  return { status: 200, body: { data: { ciphertext: `vault:v1:${bytes.toString("base64")}`, key_version: 1 } } };
}

function decrypt(key: Buffer, ciphertext: string, aad: Buffer): CannedAnswer {
  const [, , text = ""] = ciphertext.split(":");
  const bytes = Buffer.from(text, "base64");
  try {
    if (!ciphertext.startsWith("vault:v1:") || bytes.toString("base64") !== text)
      return errors(400, "invalid ciphertext");
    const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12))
      .setAAD(aad)
      .setAuthTag(bytes.subarray(-16));
    const plaintext = Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
    return { status: 200, body: { data: { plaintext: plaintext.toString("base64") } } };
  } catch {
    return errors(400, "cipher: message authentication failed");
  }
}

function errors(status: number, text: string): CannedAnswer {
  return { status, body: { errors: [text] } };
}
