import type { JsonAnswer } from "../remote/json-service.ts";
import type { Verdict, Verdicts } from "./remote-call.ts";

/** One call of a dialect. */
interface Call {
  readonly path: string;
  readonly body: object;
}

/** Which key, in the dialect's terms. */
export interface TransitKey {
  /** Vault only. */
  readonly mount: string;
  readonly key: string;
}

/** How one kind of vault is asked. */
export interface TransitDialect {
  /** For errors. */
  readonly name: string;
  readonly credentialsHint: string;
  /** Whether tokens are leases of Vault's kind, which are renewed. */
  readonly hasLeases: boolean;
  headers(token: string, namespace: string | undefined): Readonly<Record<string, string>>;
  encrypt(key: TransitKey, plaintext: string, context: string): Call;
  decrypt(key: TransitKey, ciphertext: string, context: string): Call;
  /** Nothing when the answer does not have it. */
  readCiphertext(body: unknown): unknown;
  /** In base64; nothing when the answer does not have it. */
  readPlaintext(body: unknown): unknown;
  /** What an answer other than 200 means. */
  judge(answer: JsonAnswer, verdicts: Verdicts): Verdict;
}

/** What Vault and OpenBao say in a 400, and what it means; all else in a 400 is about the ciphertext. */
const VAULT_TEXTS: readonly (readonly [RegExp, (verdicts: Verdicts) => Verdict])[] = [
  [/encryption key not found/, ({ keyState }) => keyState("does not exist: look at its name and mount")],
  [/disallowed by policy/, ({ keyState }) => keyState("opens no old ciphertexts: look at its min_decryption_version")],
  [
    /associated.data/,
    ({ keyState }) => keyState("takes no associated data: its type must be aes256-gcm96 or another AEAD"),
  ],
];

/** The stable codes of BunKMS's errors. */
const BUNKMS_CODES: ReadonlyMap<unknown, (verdicts: Verdicts) => Verdict> = new Map([
  ["decryption_failed", ({ refused }) => refused()],
  ["invalid_request", ({ refused }) => refused()],
  ["unknown_version", ({ refused }) => refused()],
  ["wrong_key_usage", ({ refused }) => refused()],
  ["wrong_key_state", ({ keyState }) => keyState("is disabled, or to be destroyed: enable it, or take that back")],
  ["not_found", ({ keyState }) => keyState("does not exist: look at its name")],
] satisfies readonly (readonly [unknown, (verdicts: Verdicts) => Verdict])[]);

/** The dialects by name. */
export const TRANSIT_DIALECTS = Object.freeze({
  vault: {
    name: "Vault's Transit",
    credentialsHint:
      "look at the token file, whether the token has expired, whether its policy allows update on encrypt/KEY and decrypt/KEY of the mount, and whether the key exists",
    hasLeases: true,
    headers: (token, namespace) => ({
      "x-vault-token": token,
      "x-vault-request": "true",
      ...(namespace === undefined ? {} : { "x-vault-namespace": namespace }),
    }),
    encrypt: ({ mount, key }, plaintext, context) => ({
      path: `/v1/${mount}/encrypt/${key}`,
      body: { plaintext, associated_data: context },
    }),
    decrypt: ({ mount, key }, ciphertext, context) => ({
      path: `/v1/${mount}/decrypt/${key}`,
      body: { ciphertext, associated_data: context },
    }),
    readCiphertext: (body) => read(body, "data", "ciphertext"),
    readPlaintext: (body) => read(body, "data", "plaintext"),
    judge: (answer, verdicts) => {
      if (answer.status === 404)
        return verdicts.keyState("or its mount does not exist: look at the key, the mount and the namespace");
      if (answer.status !== 400 || answer.body === undefined) return judgeStatus(answer.status, verdicts);
      const text = JSON.stringify(read(answer.body, "errors")) ?? "";
      return (VAULT_TEXTS.find(([pattern]) => pattern.test(text))?.[1] ?? (({ refused }: Verdicts) => refused()))(
        verdicts,
      );
    },
  },
  bunkms: {
    name: "BunKMS",
    credentialsHint:
      "look at the token file, whether the token has expired, and whether its role allows encrypting and decrypting",
    hasLeases: false,
    headers: (token) => ({ authorization: `Bearer ${token}` }),
    encrypt: ({ key }, plaintext, context) => ({
      path: `/v1/encrypt/${key}`,
      body: { plaintext_b64: plaintext, aad_b64: context },
    }),
    decrypt: ({ key }, ciphertext, context) => ({ path: `/v1/decrypt/${key}`, body: { ciphertext, aad_b64: context } }),
    readCiphertext: (body) => read(body, "ciphertext"),
    readPlaintext: (body) => read(body, "plaintext_b64"),
    judge: (answer, verdicts) =>
      BUNKMS_CODES.get(read(answer.body, "code"))?.(verdicts) ?? judgeStatus(answer.status, verdicts),
  },
} satisfies Readonly<Record<string, TransitDialect>>);

function judgeStatus(status: number, verdicts: Verdicts): Verdict {
  if (status >= 300 && status < 400) return verdicts.redirected();
  if (status === 401 || status === 403) return verdicts.credentials();
  if (status === 412 || status === 429) return verdicts.throttled();
  return status >= 500 ? verdicts.failing(status) : verdicts.unexpected(status);
}

/** The value below these names, in whatever a service sent. */
export function read(body: unknown, ...names: readonly string[]): unknown {
  return names.reduce<unknown>(
    (value, name) =>
      typeof value === "object" && value !== null && Object.hasOwn(value, name)
        ? (value as Record<string, unknown>)[name]
        : undefined,
    body,
  );
}
