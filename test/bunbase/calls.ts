import { createHash } from "node:crypto";

/** A JSON answer of either server. */
export interface GoAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** One call of the Go server's API. */
export interface GoCall {
  /** In words, for the table. */
  readonly what: string;
  readonly method: "GET" | "POST" | "PUT";
  readonly path: string;
  /** As it is sent; a function where it needs what an earlier call answered, by its words. */
  readonly body?: object | string | ((answers: ReadonlyMap<string, GoAnswer>) => object);
  /** Absent: that of JSON. */
  readonly contentType?: string;
  /** Absent: of an admin. */
  readonly token?: "none" | "expired";
}

const DIGEST = createHash("sha256").update("a message").digest("base64");
const LARGE = Buffer.alloc(512 * 1024 + 1).toString("base64");

const ciphertextOf = (answers: ReadonlyMap<string, GoAnswer>, what: string): unknown =>
  answers.get(what)?.body["ciphertext"];
const signatureOf = (answers: ReadonlyMap<string, GoAnswer>, what: string): unknown =>
  answers.get(what)?.body["signature_b64"];

/** Every call of the Go server's API, each in its successes and its refusals, in an order in which they can be made. */
export const GO_CALLS: readonly GoCall[] = [
  { what: "create a key", method: "POST", path: "/v1/keys", body: { name: "app" } },
  { what: "create a key of a type", method: "POST", path: "/v1/keys", body: { name: "ec", type: "ecdsa-p256" } },
  { what: "create an RSA key", method: "POST", path: "/v1/keys", body: { name: "rsa", type: "rsa-2048" } },
  { what: "create a key that exists", method: "POST", path: "/v1/keys", body: { name: "app", type: "aes-256" } },
  { what: "create a key of an unknown type", method: "POST", path: "/v1/keys", body: { name: "x", type: "des" } },
  { what: "create a key without a name", method: "POST", path: "/v1/keys", body: {} },
  { what: "create a key with a bad name", method: "POST", path: "/v1/keys", body: { name: "a/b" } },
  { what: "create a key with a long name", method: "POST", path: "/v1/keys", body: { name: "a".repeat(257) } },
  { what: "create a key with an unknown field", method: "POST", path: "/v1/keys", body: { name: "y", size: 1 } },
  { what: "create a key with bad JSON", method: "POST", path: "/v1/keys", body: "{" },
  {
    what: "create a key as curl sends it",
    method: "POST",
    path: "/v1/keys",
    body: { name: "curl" },
    contentType: "application/x-www-form-urlencoded",
  },
  { what: "get a key", method: "GET", path: "/v1/keys/app" },
  { what: "get a key that is not there", method: "GET", path: "/v1/keys/none" },
  { what: "get a key with a bad name", method: "GET", path: "/v1/keys/.x" },
  { what: "rotate a key", method: "POST", path: "/v1/keys/app/rotate" },
  { what: "rotate a key that is not there", method: "POST", path: "/v1/keys/none/rotate" },
  { what: "encrypt text", method: "POST", path: "/v1/encrypt/app", body: { plaintext: "hello" } },
  {
    what: "encrypt bytes",
    method: "POST",
    path: "/v1/encrypt/app",
    body: { plaintext_b64: "/wA=", aad_b64: "AQI=" },
  },
  {
    what: "encrypt with every field of the request",
    method: "POST",
    path: "/v1/encrypt/app",
    body: { plaintext: "", plaintext_b64: "aGVsbG8=", aad: "order 17", aad_b64: "" },
  },
  {
    what: "encrypt with members that are null",
    method: "POST",
    path: "/v1/encrypt/app",
    body: { plaintext: "hello", plaintext_b64: null, aad: null },
  },
  { what: "encrypt nothing", method: "POST", path: "/v1/encrypt/app", body: {} },
  { what: "encrypt with a key that is not there", method: "POST", path: "/v1/encrypt/none", body: { plaintext: "x" } },
  { what: "encrypt with a key that signs", method: "POST", path: "/v1/encrypt/ec", body: { plaintext: "x" } },
  { what: "encrypt bad base64", method: "POST", path: "/v1/encrypt/app", body: { plaintext_b64: "@" } },
  { what: "encrypt more than 512 KiB", method: "POST", path: "/v1/encrypt/app", body: { plaintext_b64: LARGE } },
  {
    what: "decrypt text",
    method: "POST",
    path: "/v1/decrypt/app",
    body: (answers) => ({ ciphertext: ciphertextOf(answers, "encrypt text") }),
  },
  {
    what: "decrypt bytes",
    method: "POST",
    path: "/v1/decrypt/app",
    body: (answers) => ({ ciphertext: ciphertextOf(answers, "encrypt bytes"), aad_b64: "AQI=" }),
  },
  {
    what: "decrypt with every field of the request",
    method: "POST",
    path: "/v1/decrypt/app",
    body: (answers) => ({
      ciphertext: ciphertextOf(answers, "encrypt with every field of the request"),
      aad: "order 17",
      aad_b64: "",
    }),
  },
  {
    what: "decrypt with other additional data",
    method: "POST",
    path: "/v1/decrypt/app",
    body: (answers) => ({ ciphertext: ciphertextOf(answers, "encrypt bytes"), aad: "x" }),
  },
  { what: "decrypt nothing", method: "POST", path: "/v1/decrypt/app", body: {} },
  { what: "decrypt what is no ciphertext", method: "POST", path: "/v1/decrypt/app", body: { ciphertext: "AAAA" } },
  {
    what: "decrypt with a key that is not there",
    method: "POST",
    path: "/v1/decrypt/none",
    body: (answers) => ({ ciphertext: ciphertextOf(answers, "encrypt text") }),
  },
  { what: "sign a digest (ECDSA)", method: "POST", path: "/v1/keys/ec/sign", body: { digest_b64: DIGEST } },
  { what: "sign a digest (RSA)", method: "POST", path: "/v1/keys/rsa/sign", body: { digest_b64: DIGEST } },
  { what: "sign a digest of another length", method: "POST", path: "/v1/keys/ec/sign", body: { digest_b64: "AAAA" } },
  { what: "sign with a key that encrypts", method: "POST", path: "/v1/keys/app/sign", body: { digest_b64: DIGEST } },
  {
    what: "sign with a key that is not there",
    method: "POST",
    path: "/v1/keys/none/sign",
    body: { digest_b64: DIGEST },
  },
  ...["ec", "rsa"].map((name) => ({
    what: `verify a signature (${name === "ec" ? "ECDSA" : "RSA"})`,
    method: "POST" as const,
    path: `/v1/keys/${name}/verify`,
    body: (answers: ReadonlyMap<string, GoAnswer>) => ({
      digest_b64: DIGEST,
      signature_b64: signatureOf(answers, `sign a digest (${name === "ec" ? "ECDSA" : "RSA"})`),
    }),
  })),
  {
    what: "verify a wrong signature",
    method: "POST",
    path: "/v1/keys/ec/verify",
    body: { digest_b64: DIGEST, signature_b64: Buffer.alloc(64, 1).toString("base64") },
  },
  {
    what: "verify a signature of a wrong length",
    method: "POST",
    path: "/v1/keys/ec/verify",
    body: { digest_b64: DIGEST, signature_b64: "AAAA" },
  },
  {
    what: "verify with a key that is not there",
    method: "POST",
    path: "/v1/keys/none/verify",
    body: { digest_b64: DIGEST, signature_b64: "AAAA" },
  },
  {
    what: "verify with a key that encrypts",
    method: "POST",
    path: "/v1/keys/app/verify",
    body: { digest_b64: DIGEST, signature_b64: "AAAA" },
  },
  {
    what: "verify bad base64",
    method: "POST",
    path: "/v1/keys/ec/verify",
    body: { digest_b64: DIGEST, signature_b64: "@" },
  },
  { what: "put a secret as text", method: "POST", path: "/v1/secrets", body: { name: "db", value: "s3cr3t" } },
  { what: "put a secret as bytes", method: "POST", path: "/v1/secrets", body: { name: "raw", value_b64: "/wA=" } },
  { what: "put a secret anew", method: "POST", path: "/v1/secrets", body: { name: "db", value: "other" } },
  { what: "put a secret with a bad name", method: "POST", path: "/v1/secrets", body: { name: "-x", value: "v" } },
  {
    what: "put a secret of more than 512 KiB",
    method: "POST",
    path: "/v1/secrets",
    body: { name: "l", value_b64: LARGE },
  },
  { what: "get a secret of text", method: "GET", path: "/v1/secrets/db" },
  { what: "get a secret of bytes", method: "GET", path: "/v1/secrets/raw" },
  { what: "get a secret that is not there", method: "GET", path: "/v1/secrets/none" },
  { what: "revoke a key", method: "POST", path: "/v1/keys/app/revoke" },
  { what: "revoke a key again", method: "POST", path: "/v1/keys/app/revoke" },
  { what: "revoke a key that is not there", method: "POST", path: "/v1/keys/none/revoke" },
  { what: "get a revoked key", method: "GET", path: "/v1/keys/app" },
  { what: "rotate a revoked key", method: "POST", path: "/v1/keys/app/rotate" },
  { what: "encrypt with a revoked key", method: "POST", path: "/v1/encrypt/app", body: { plaintext: "x" } },
  {
    what: "decrypt with a revoked key",
    method: "POST",
    path: "/v1/decrypt/app",
    body: (answers) => ({ ciphertext: ciphertextOf(answers, "encrypt text") }),
  },
  { what: "revoke a signing key", method: "POST", path: "/v1/keys/ec/revoke" },
  { what: "sign with a revoked key", method: "POST", path: "/v1/keys/ec/sign", body: { digest_b64: DIGEST } },
  {
    what: "verify with a revoked key",
    method: "POST",
    path: "/v1/keys/ec/verify",
    body: (answers) => ({ digest_b64: DIGEST, signature_b64: signatureOf(answers, "sign a digest (ECDSA)") }),
  },
  { what: "a path that is not there", method: "GET", path: "/v1/nothing" },
  { what: "the root path", method: "GET", path: "/" },
  { what: "a method that a path does not have", method: "PUT", path: "/v1/keys/app" },
  { what: "the health check", method: "GET", path: "/health", token: "none" },
  { what: "a call without a token", method: "GET", path: "/v1/keys/rsa", token: "none" },
  { what: "a call with an expired token", method: "GET", path: "/v1/keys/rsa", token: "expired" },
];
