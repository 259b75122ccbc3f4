import { Readable } from "node:stream";
import type * as AwsKms from "@aws-sdk/client-kms";
import { sha256 } from "../crypto/hash.ts";
import { wipe } from "../crypto/kdf.ts";
import { boundedAnswer } from "../remote/bounded-answer.ts";
import { envelopeSeal } from "./envelope.ts";
import { loadOptional } from "./optional-package.ts";
import { joinWrapped, MAX_KEY_NAME, splitWrapped } from "./recorded-key.ts";
import { CALL_TIMEOUT_MS, callRemote, type RemoteService, type Verdict, type Verdicts } from "./remote-call.ts";
import { type Seal, SealFailure } from "./seal.ts";
import { readServiceAddress } from "./service-address.ts";

const PACKAGE = "@aws-sdk/client-kms";
/** The encryption context's one entry: in CloudTrail, and needed again for decrypting. */
const CONTEXT_NAME = "bunkms-context";
const KEY_ARN = /^arn:(aws[a-z-]{0,16}):kms:([a-z0-9-]{1,32}):(\d{12}):(key|alias)\/([A-Za-z0-9/_-]{1,256})$/;
const KEY_ID = /^(alias\/[A-Za-z0-9/_-]{1,250}|[A-Za-z0-9-]{1,64})$/;

export interface AwskmsOptions {
  /** A symmetric key: its ARN, its id, or an alias (`alias/NAME`, or an alias ARN). */
  readonly keyId: string;
  /** The ARN's, or the SDK's usual one, unless given. */
  readonly region?: string | undefined;
  /** In place of the region's public one: https, or http on loopback. */
  readonly endpoint?: string | undefined;
}

/** What tests put in the place of the real. */
export interface AwskmsParts {
  readonly load?: () => Promise<typeof AwsKms>;
  readonly timeoutMs?: number;
}

/** The errors of KMS and of the SDK's credential chain by name, and what they mean. */
const ERRORS: ReadonlyMap<string, (verdicts: Verdicts) => Verdict> = new Map([
  ["InvalidCiphertextException", ({ refused }) => refused()],
  ["IncorrectKeyException", ({ refused }) => refused()],
  ["DisabledException", ({ keyState }) => keyState("is disabled: enable it")],
  [
    "KMSInvalidStateException",
    ({ keyState }) =>
      keyState("is pending deletion, or otherwise not usable: look at its state, and cancel its deletion"),
  ],
  ["KeyUnavailableException", ({ keyState }) => keyState("cannot be used at the moment: look at its key store")],
  ["NotFoundException", ({ keyState }) => keyState("does not exist: look at its name, region and account")],
  ["InvalidKeyUsageException", ({ keyState }) => keyState("is not a symmetric key that encrypts")],
  ["AccessDeniedException", ({ credentials }) => credentials()],
  ["UnrecognizedClientException", ({ credentials }) => credentials()],
  ["InvalidClientTokenId", ({ credentials }) => credentials()],
  ["InvalidSignatureException", ({ credentials }) => credentials()],
  ["IncompleteSignature", ({ credentials }) => credentials()],
  ["MissingAuthenticationToken", ({ credentials }) => credentials()],
  ["ExpiredTokenException", ({ credentials }) => credentials()],
  ["CredentialsProviderError", ({ credentials }) => credentials()],
  ["TokenProviderError", ({ credentials }) => credentials()],
  ["ThrottlingException", ({ throttled }) => throttled()],
  ["LimitExceededException", ({ throttled }) => throttled()],
] satisfies readonly (readonly [string, (verdicts: Verdicts) => Verdict])[]);

/**
 * The seal of a symmetric key in AWS KMS, by the official SDK and its standard credential chain.
 * @throws SealFailure when the options are wrong; SealUnavailable when the SDK is not installed.
 */
export async function awskmsSeal(options: AwskmsOptions, parts: AwskmsParts = {}): Promise<Seal> {
  const configured = readKeyId(options.keyId);
  const endpoint =
    options.endpoint === undefined ? undefined : readServiceAddress(options.endpoint, "the endpoint").href;
  const sdk = await loadOptional("awskms", [PACKAGE], parts.load ?? (() => import("@aws-sdk/client-kms")));
  const service: RemoteService = {
    name: "AWS KMS",
    keyName: options.keyId,
    credentialsHint:
      "look at the AWS credentials, and whether they allow kms:Encrypt and kms:Decrypt with this key and encryption context",
    timeoutMs: parts.timeoutMs ?? CALL_TIMEOUT_MS,
  };
  const region = options.region ?? configured.region;
  const client = new sdk.KMSClient({
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: service.timeoutMs,
      requestTimeout: service.timeoutMs,
      throwOnRequestTimeout: true,
    },
  });
  boundAnswers(client);
  const usedRegion = await client.config.region().catch(() => {
    throw new SealFailure("the awskms seal needs a region: give one, or the key's ARN");
  });

  return envelopeSeal({
    kind: "awskms",
    keyName: options.keyId,
    wrapKey: (key, context, signal) =>
      callRemote(
        service,
        "wrap",
        signal,
        async (abortSignal, verdicts) => {
          const input = { KeyId: options.keyId, Plaintext: key, EncryptionContext: encryptionContext(context) };
          const answer = await client.send(new sdk.EncryptCommand(input), { abortSignal });
          if (answer.KeyId === undefined || !KEY_ARN.test(answer.KeyId) || !answer.CiphertextBlob?.length) {
            throw verdicts.unexpected().error;
          }
          return joinWrapped({ keyName: answer.KeyId, ciphertext: Buffer.from(answer.CiphertextBlob) });
        },
        judgeError,
      ),
    unwrapKey: async (wrapped, context, signal) => {
      const { keyName, ciphertext } = splitWrapped(wrapped);
      const keyId = keyForDecrypt(keyName, configured, usedRegion);
      return callRemote(
        service,
        "unwrap",
        signal,
        async (abortSignal, verdicts) => {
          const input = { KeyId: keyId, CiphertextBlob: ciphertext, EncryptionContext: encryptionContext(context) };
          const { Plaintext: plaintext } = await client.send(new sdk.DecryptCommand(input), { abortSignal });
          if (!plaintext?.length) throw verdicts.unexpected().error;
          const key = Buffer.from(plaintext);
          wipe(plaintext);
          return key;
        },
        judgeError,
      );
    },
    close: async () => client.destroy(),
  });
}

interface KeyId {
  readonly id: string;
  readonly isKey: boolean;
  readonly partition?: string | undefined;
  readonly region?: string | undefined;
  readonly account?: string | undefined;
}

function readKeyId(text: string): KeyId {
  if (text.length > MAX_KEY_NAME) throw new SealFailure("the awskms seal's key has too long a name");
  const [, partition, region, account, kind, id] = KEY_ARN.exec(text) ?? [];
  if (id !== undefined) return { id, isKey: kind === "key", partition, region, account };
  if (!KEY_ID.test(text)) {
    throw new SealFailure("the awskms seal's key must be a key's ARN, its id, or an alias such as alias/NAME");
  }
  return { id: text, isKey: !text.startsWith("alias/") };
}

/**
 * The key that wrapped, if the configuration covers it. The recorded name comes from the store: a key of another account
 * is not asked, since its owner would know the slot's key. A multi-Region key has one id in all of its Regions.
 */
function keyForDecrypt(recorded: string, configured: KeyId, region: string): string {
  const key = KEY_ARN.test(recorded) ? readKeyId(recorded) : undefined;
  const isSameAccount =
    key?.isKey === true &&
    (configured.account ?? key.account) === key.account &&
    (configured.partition ?? key.partition) === key.partition;
  if (key !== undefined && isSameAccount) {
    if (key.region === region) return recorded;
    if (key.id.startsWith("mrk-") && configured.isKey && key.id === configured.id) {
      return recorded.replace(`:kms:${key.region}:`, `:kms:${region}:`);
    }
  }
  throw new SealFailure("the slot was wrapped by an AWS key of another account or region than the configured one");
}

function encryptionContext(context: Uint8Array): Record<string, string> {
  return { [CONTEXT_NAME]: sha256(context).toString("hex") };
}

function boundAnswers(client: AwsKms.KMSClient): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const response = result.response as { body?: unknown };
      if (response.body instanceof Readable) {
        response.body = Readable.from(boundedAnswer(response.body), { objectMode: false });
      }
      return result;
    },
    // Of this step, what is added with a low priority is nearest to the network: before the body is read.
    { step: "deserialize", priority: "low", name: "bunkmsBoundAnswers" },
  );
}

function judgeError(error: unknown, verdicts: Verdicts): Verdict {
  const { name, $metadata } = error as {
    readonly name?: string;
    readonly $metadata?: { readonly httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode;
  const known = ERRORS.get(name ?? "");
  if (known !== undefined) return known(verdicts);
  if (status === undefined) return verdicts.noAnswer(error);
  if (status >= 300 && status < 400) return verdicts.redirected();
  if (status === 401 || status === 403) return verdicts.credentials();
  if (status === 429) return verdicts.throttled();
  return status >= 500 ? verdicts.failing(status) : verdicts.unexpected(status);
}
