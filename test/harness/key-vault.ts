import { constants, generateKeyPairSync, type KeyObject, privateDecrypt, publicEncrypt } from "node:crypto";
import { Agent } from "node:https";
import { type CannedAnswer, type CannedRequest, startCannedServer } from "./canned-server.ts";

/** The token that a stand-in takes. */
export const VAULT_TOKEN = "eyJ0eXAiOiJKV1QifQ.a-token-for-tests-alone.c2lnbmF0dXJl";

interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** A stand-in that runs. */
export interface KeyVault {
  /** `https://unit.vault.azure.net:PORT`, which only {@link agent} finds. */
  readonly url: string;
  readonly agent: Agent;
  /** Method and path of what was asked with the token. */
  readonly asked: readonly string[];
  /** Adds a version to a key, the latest from now on. */
  rotate(name: string): void;
  /** Attributes that keys have beside `enabled`. */
  attributes: Readonly<Record<string, unknown>>;
  /** Answers in the place of the stand-in, when it gives something. */
  instead: ((request: CannedRequest) => CannedAnswer | undefined) | undefined;
  close(): Promise<void>;
}

/**
 * A stand-in for Azure Key Vault, written from its published REST reference (Get Key, Wrap Key, Unwrap Key, and the
 * challenge of its authentication), with real RSA. It is not Microsoft's service.
 * @param tls A certificate for localhost, and the authority that issued it.
 */
export async function startKeyVault(tls: {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}): Promise<KeyVault> {
  const keys = new Map<string, KeyPair[]>();
  const asked: string[] = [];

  function answer(request: CannedRequest): CannedAnswer {
    const { authorization } = request.headers;
    if (authorization === undefined) return challenge("");
    if (authorization !== `Bearer ${VAULT_TOKEN}`) return challenge(', error="invalid_token"');
    const path = request.path.split("?")[0] as string;
    asked.push(`${request.method} ${path}`);
    const instead = vault.instead?.(request);
    if (instead !== undefined) return instead;
    const [, , name = "", version = "", action = ""] = path.split("/");
    const versions = keys.get(name) ?? [];
    const index = version === "" ? versions.length : Number(version);
    const pair = versions[index - 1];
    if (pair === undefined) return failure(404, "KeyNotFound");
    const kid = `${vault.url}/keys/${name}/${index}`;
    if (request.method === "GET") {
      const { n, e } = pair.publicKey.export({ format: "jwk" });
      const key = { kid, kty: "RSA", key_ops: ["wrapKey", "unwrapKey"], n, e };
      return { status: 200, body: { key, attributes: { enabled: true, ...vault.attributes } } };
    }
    const { alg, value } = JSON.parse(request.body.toString("utf8")) as {
      readonly alg: string;
      readonly value: string;
    };
    if (alg !== "RSA-OAEP-256") return failure(400, "BadParameter");
    const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" };
    const bytes = Buffer.from(value, "base64url");
    try {
      const result =
        action === "wrapkey"
          ? publicEncrypt({ key: pair.publicKey, ...padding }, bytes)
          : privateDecrypt({ key: pair.privateKey, ...padding }, bytes);
      return { status: 200, body: { kid, value: result.toString("base64url") } };
    } catch {
      return failure(400, "BadParameter");
    }
  }

  const server = await startCannedServer(answer, tls);
  const vault: KeyVault = {
    url: `https://unit.vault.azure.net:${server.port}`,
    agent: new Agent({
      ca: tls.ca,
      servername: "localhost",
      lookup: (_host, _options, callback) => callback(null, [{ address: "127.0.0.1", family: 4 }]),
    }),
    asked,
    rotate: (name) => keys.set(name, [...(keys.get(name) ?? []), generateKeyPairSync("rsa", { modulusLength: 2048 })]),
    attributes: {},
    instead: undefined,
    close: async () => {
      vault.agent.destroy();
      await server.close();
    },
  };
  return vault;
}

/** An error of the service, as its reference has it. */
export function failure(status: number, inner: string, message = "no"): CannedAnswer {
  const code = status === 403 ? "Forbidden" : inner;
  return { status, body: { error: { code, message, innererror: { code: inner } } } };
}

function challenge(rest: string): CannedAnswer {
  const text = `Bearer authorization="https://login.microsoftonline.com/tenant", resource="https://vault.azure.net"${rest}`;
  return { status: 401, headers: { "www-authenticate": text }, body: { error: { code: "Unauthorized" } } };
}
