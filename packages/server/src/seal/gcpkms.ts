import type * as GoogleKms from "@google-cloud/kms";
import { wipe } from "../crypto/kdf.ts";
import { MAX_ANSWER_BYTES } from "../remote/bounded-answer.ts";
import { crc32c } from "./crc32c.ts";
import { envelopeSeal } from "./envelope.ts";
import { loadOptional } from "./optional-package.ts";
import { joinWrapped, MAX_KEY_NAME, splitWrapped } from "./recorded-key.ts";
import {
  CALL_TIMEOUT_MS,
  callRemote,
  type RemoteService,
  type Verdict,
  type Verdicts,
  verdictsOf,
} from "./remote-call.ts";
import { type Seal, SealFailure } from "./seal.ts";
import { readServiceAddress } from "./service-address.ts";

const PACKAGE = "@google-cloud/kms";
const CRYPTO_KEY =
  /^projects\/[a-z0-9:.-]{1,64}\/locations\/[a-z0-9-]{1,64}\/keyRings\/[\w-]{1,63}\/cryptoKeys\/[\w-]{1,63}$/;
const DEFAULT_TLS_PORT = 443;

export interface GcpkmsOptions {
  /** A symmetric key: `projects/…/locations/…/keyRings/…/cryptoKeys/…`, without a version. */
  readonly keyName: string;
  /** In place of Google's public one, https. */
  readonly endpoint?: string | undefined;
}

/** What tests put in the place of the real. */
export interface GcpkmsParts {
  readonly load?: () => Promise<typeof GoogleKms>;
  readonly timeoutMs?: number;
}

type Client = GoogleKms.KeyManagementServiceClient;
type Method = "encrypt" | "decrypt";
type EncryptAnswer = GoogleKms.protos.google.cloud.kms.v1.IEncryptResponse;
type DecryptAnswer = GoogleKms.protos.google.cloud.kms.v1.IDecryptResponse;

/** The gRPC status codes (google.rpc.Code) that the service and its client library end with, and what they mean. */
const ERRORS: ReadonlyMap<unknown, (verdicts: Verdicts) => Verdict> = new Map([
  [3, ({ refused }) => refused()],
  [4, ({ failing }) => failing()],
  [5, ({ keyState }) => keyState("does not exist: look at its name")],
  [7, ({ credentials }) => credentials()],
  [8, ({ throttled }) => throttled()],
  [9, ({ keyState }) => keyState("is disabled, destroyed, or not usable otherwise: look at its versions")],
  [13, ({ failing }) => failing()],
  [16, ({ credentials }) => credentials()],
] satisfies readonly (readonly [unknown, (verdicts: Verdicts) => Verdict])[]);

/**
 * The seal of a symmetric key in Google Cloud KMS, by the official client library and Application Default Credentials.
 * @throws SealFailure when the options are wrong; SealUnavailable when the library is not installed.
 */
export async function gcpkmsSeal(options: GcpkmsOptions, parts: GcpkmsParts = {}): Promise<Seal> {
  const { keyName } = options;
  if (!CRYPTO_KEY.test(keyName) || keyName.length > MAX_KEY_NAME) {
    throw new SealFailure("the gcpkms seal's key must be projects/P/locations/L/keyRings/R/cryptoKeys/K");
  }
  const endpoint = readEndpoint(options.endpoint);
  const sdk = await loadOptional("gcpkms", [PACKAGE], parts.load ?? (() => import("@google-cloud/kms")));
  const service: RemoteService = {
    name: "Google Cloud KMS",
    keyName,
    credentialsHint:
      "look at the Application Default Credentials, and whether they have the role roles/cloudkms.cryptoKeyEncrypterDecrypter on this key",
    timeoutMs: parts.timeoutMs ?? CALL_TIMEOUT_MS,
  };
  const clients = keptClient(() => makeClient(sdk, endpoint));
  const ask = async (method: Method, request: object, signal: AbortSignal): Promise<unknown> => {
    const client = await clients.get();
    // The method of the same name on the client itself prints its request and its answer, plaintexts too, when a
    // variable of Google's (GOOGLE_SDK_NODE_LOGGING) says so. This is what it calls underneath.
    const call = client.innerApiCalls[method] as (...args: readonly unknown[]) => Promise<readonly unknown[]>;
    const [answer] = await call(request, {
      timeout: service.timeoutMs,
      retry: null,
      signal,
      otherArgs: { headers: { "x-goog-request-params": `name=${encodeURIComponent(keyName)}` } },
    });
    return answer;
  };

  return envelopeSeal({
    kind: "gcpkms",
    keyName,
    wrapKey: (key, context, signal) =>
      callRemote(
        service,
        "wrap",
        signal,
        async (abortSignal, verdicts) => {
          const request = {
            name: keyName,
            plaintext: key,
            plaintextCrc32c: { value: crc32c(key) },
            additionalAuthenticatedData: context,
            additionalAuthenticatedDataCrc32c: { value: crc32c(context) },
          };
          const answer = (await ask("encrypt", request, abortSignal)) as EncryptAnswer;
          const ciphertext = Buffer.from(answer.ciphertext ?? "");
          if (
            answer.name?.startsWith(`${keyName}/cryptoKeyVersions/`) !== true ||
            answer.verifiedPlaintextCrc32c !== true ||
            answer.verifiedAdditionalAuthenticatedDataCrc32c !== true ||
            !hasChecksum(ciphertext, answer.ciphertextCrc32c)
          ) {
            throw verdicts.damaged().error;
          }
          return joinWrapped({ keyName, ciphertext });
        },
        judgeError,
      ),
    unwrapKey: async (wrapped, context, signal) => {
      const { keyName: recorded, ciphertext } = splitWrapped(wrapped);
      if (recorded !== keyName) throw verdictsOf(service, "unwrap").otherKey().error;
      return callRemote(
        service,
        "unwrap",
        signal,
        async (abortSignal, verdicts) => {
          const request = {
            name: keyName,
            ciphertext,
            ciphertextCrc32c: { value: crc32c(ciphertext) },
            additionalAuthenticatedData: context,
            additionalAuthenticatedDataCrc32c: { value: crc32c(context) },
          };
          const answer = (await ask("decrypt", request, abortSignal)) as DecryptAnswer;
          const plaintext = answer.plaintext as Uint8Array;
          const key = Buffer.from(plaintext);
          wipe(plaintext);
          if (hasChecksum(key, answer.plaintextCrc32c)) return key;
          wipe(key);
          throw verdicts.damaged().error;
        },
        judgeError,
      );
    },
    close: () => clients.close(),
  });
}

interface Endpoint {
  readonly apiEndpoint: string;
  readonly port: number;
}

function readEndpoint(endpoint: string | undefined): Endpoint | undefined {
  if (endpoint === undefined) return undefined;
  const url = readServiceAddress(endpoint, "the endpoint");
  if (url.protocol !== "https:" || url.pathname !== "/") {
    throw new SealFailure("the endpoint must be https://HOST or https://HOST:PORT");
  }
  return { apiEndpoint: url.hostname, port: Number(url.port || DEFAULT_TLS_PORT) };
}

function makeClient(sdk: typeof GoogleKms, endpoint: Endpoint | undefined): Client {
  return new sdk.KeyManagementServiceClient({
    ...endpoint,
    enableTelemetryLogging: false,
    enableTelemetryTracing: false,
    "grpc.max_receive_message_length": MAX_ANSWER_BYTES,
  } as ConstructorParameters<typeof sdk.KeyManagementServiceClient>[0]);
}

/**
 * One client, once it has found its credentials. Its methods would look for them by themselves, and throw a failure
 * into nowhere, which ends the process; and a client that failed once stays failed. So it is made ready here, and
 * another one is made after a failure.
 */
function keptClient(make: () => Client): { get(): Promise<Client>; close(): Promise<void> } {
  let kept: Promise<Client> | undefined;
  const open = async (): Promise<Client> => {
    const client = make();
    try {
      await client.initialize();
    } catch (cause) {
      kept = undefined;
      throw new CredentialsMissing({ cause });
    }
    return client;
  };
  return {
    get: () => {
      kept ??= open();
      return kept;
    },
    close: async () => {
      await kept?.then((client) => client.close()).catch(() => undefined);
    },
  };
}

/** The library found no credentials, or none that it can use. */
class CredentialsMissing extends Error {
  constructor(options: { readonly cause: unknown }) {
    super("no credentials", options);
    this.name = "CredentialsMissing";
  }
}

function hasChecksum(bytes: Uint8Array, checksum: DecryptAnswer["plaintextCrc32c"]): boolean {
  return bytes.length > 0 && Number(checksum?.value ?? -1) === crc32c(bytes);
}

function judgeError(error: unknown, verdicts: Verdicts): Verdict {
  if (error instanceof CredentialsMissing) return verdicts.credentials();
  const { code, details } = error as { readonly code?: unknown; readonly details?: unknown };
  if (code === 8 && String(details).includes("larger than max")) return verdicts.tooLarge();
  return ERRORS.get(code)?.(verdicts) ?? verdicts.noAnswer(error);
}
