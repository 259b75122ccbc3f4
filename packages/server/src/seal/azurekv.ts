import type { Agent } from "node:https";
import type * as AzureIdentity from "@azure/identity";
import type { TokenCredential } from "@azure/identity";
import type * as AzureKeys from "@azure/keyvault-keys";
import { wipe } from "../crypto/kdf.ts";
import { readBounded } from "../remote/bounded-answer.ts";
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

const PACKAGES = ["@azure/keyvault-keys", "@azure/identity"];
const ALGORITHM = "RSA-OAEP-256";
const KEY_PATH = /^\/keys\/([A-Za-z0-9-]{1,127})(?:\/([A-Za-z0-9]{1,64}))?$/;

export interface AzurekvOptions {
  /** An RSA key's identifier: `https://VAULT.vault.azure.net/keys/NAME`, or with a version at the end. */
  readonly keyId: string;
}

/** What tests put in the place of the real. */
export interface AzurekvParts {
  readonly load?: () => Promise<AzureSdk>;
  readonly timeoutMs?: number;
  /** Finds the vault's host elsewhere than in the DNS. */
  readonly agent?: Agent;
  readonly credential?: TokenCredential;
}

/** The packages' own exports that are used here. */
export interface AzureSdk {
  readonly keys: typeof AzureKeys;
  readonly identity: typeof AzureIdentity;
}

/** Key Vault's inner error codes and the login's error names, and what they mean. */
const ERRORS: ReadonlyMap<unknown, (verdicts: Verdicts) => Verdict> = new Map([
  ["KeyDisabled", ({ keyState }) => keyState("is disabled: enable it")],
  ["KeyNotYetValid", ({ keyState }) => keyState("is not active yet, or has expired: look at its dates")],
  ["ObjectIsDeletedButRecoverable", ({ keyState }) => keyState("is deleted, but can be recovered: recover it")],
  ["ObjectIsBeingDeleted", ({ keyState }) => keyState("is being deleted: recover it")],
  ["KeyNotFound", ({ keyState }) => keyState("does not exist: look at its name and vault")],
  ["AuthenticationError", ({ credentials }) => credentials()],
  ["AggregateAuthenticationError", ({ credentials }) => credentials()],
  ["AuthenticationRequiredError", ({ credentials }) => credentials()],
  ["CredentialUnavailableError", ({ credentials }) => credentials()],
] satisfies readonly (readonly [unknown, (verdicts: Verdicts) => Verdict])[]);

/**
 * The seal of an RSA key in Azure Key Vault, by the official SDK and its DefaultAzureCredential: RSA-OAEP with SHA-256
 * (RFC 8017, section 7.1).
 * @throws SealFailure when the options are wrong; SealUnavailable when the SDK is not installed.
 */
export async function azurekvSeal(options: AzurekvOptions, parts: AzurekvParts = {}): Promise<Seal> {
  const configured = readKeyId(options.keyId);
  const sdk = await loadOptional("azurekv", PACKAGES, parts.load ?? loadSdk);
  const service: RemoteService = {
    name: "Azure Key Vault",
    keyName: options.keyId,
    credentialsHint:
      "look at what DefaultAzureCredential finds, and whether it has the role Key Vault Crypto Service Encryption User on this key",
    timeoutMs: parts.timeoutMs ?? CALL_TIMEOUT_MS,
  };
  const credential = parts.credential ?? new sdk.identity.DefaultAzureCredential();
  const clientOptions = {
    retryOptions: { maxRetries: 0 },
    redirectOptions: { maxRetries: 0 },
    additionalPolicies: [{ policy: boundAnswers(parts.agent), position: "perRetry" }],
  } satisfies AzureKeys.CryptographyClientOptions;
  const keyClient = new sdk.keys.KeyClient(configured.vault, credential, clientOptions);
  /** A client of one version of the key. Asked by name alone, two calls could meet two versions. */
  const clientOf = async (version: string | undefined, signal: AbortSignal, verdicts: Verdicts) => {
    const asked = version === undefined ? {} : { version };
    const key = await keyClient.getKey(configured.name, { ...asked, abortSignal: signal });
    const state = stateOf(key.properties);
    if (state !== undefined) throw verdicts.keyState(state).error;
    const id = parseKeyId(key.id ?? "");
    if (id?.vault !== configured.vault || id.name !== configured.name || id.version === undefined) {
      throw verdicts.unexpected().error;
    }
    return { id: key.id as string, client: new sdk.keys.CryptographyClient(key, credential, { ...clientOptions }) };
  };

  return envelopeSeal({
    kind: "azurekv",
    keyName: options.keyId,
    wrapKey: (key, _context, signal) =>
      callRemote(
        service,
        "wrap",
        signal,
        async (abortSignal, verdicts) => {
          const { id, client } = await clientOf(configured.version, abortSignal, verdicts);
          const { result } = await client.wrapKey(ALGORITHM, key, { abortSignal });
          if (!result?.length) throw verdicts.unexpected().error;
          return joinWrapped({ keyName: id, ciphertext: Buffer.from(result) });
        },
        judgeError,
      ),
    unwrapKey: async (wrapped, _context, signal) => {
      const { keyName, ciphertext } = splitWrapped(wrapped);
      const recorded = parseKeyId(keyName);
      // The recorded name comes from the store: no other vault is asked, whatever it says.
      if (recorded?.vault !== configured.vault || recorded.name !== configured.name || recorded.version === undefined) {
        throw verdictsOf(service, "unwrap").otherKey().error;
      }
      return callRemote(
        service,
        "unwrap",
        signal,
        async (abortSignal, verdicts) => {
          const { client } = await clientOf(recorded.version, abortSignal, verdicts);
          const { result } = await client.unwrapKey(ALGORITHM, ciphertext, { abortSignal });
          if (!result?.length) throw verdicts.unexpected().error;
          const key = Buffer.from(result);
          wipe(result);
          return key;
        },
        judgeError,
      );
    },
    close: async () => {},
  });
}

async function loadSdk(): Promise<AzureSdk> {
  const [keys, identity] = await Promise.all([import("@azure/keyvault-keys"), import("@azure/identity")]);
  return { keys, identity };
}

interface KeyId {
  /** `https://HOST`, with the port when it is given. */
  readonly vault: string;
  readonly name: string;
  readonly version: string | undefined;
}

function readKeyId(text: string): KeyId {
  const id = parseKeyId(readServiceAddress(text, "the azurekv seal's key").href);
  if (id === undefined || text.length > MAX_KEY_NAME) {
    throw new SealFailure(
      "the azurekv seal's key must be https://VAULT.vault.azure.net/keys/NAME, or that and /VERSION",
    );
  }
  return id;
}

function parseKeyId(text: string): KeyId | undefined {
  const url = URL.parse(text);
  const [, name, version] = KEY_PATH.exec(url?.pathname ?? "") ?? [];
  const isWhole =
    url !== null && url.protocol === "https:" && `${url.username}${url.password}${url.search}${url.hash}` === "";
  return isWhole && name !== undefined ? { vault: url.origin, name, version } : undefined;
}

/** Why the key's version cannot be used, if so. The SDK would look at the same, and say it in its own error. */
function stateOf({ enabled, notBefore, expiresOn }: AzureKeys.KeyProperties): string | undefined {
  const now = new Date();
  if (enabled === false) return "is disabled: enable it";
  if (notBefore !== undefined && now < notBefore) return "is not active yet: look at its activation date";
  return expiresOn !== undefined && now > expiresOn ? "has expired: set a later expiration date" : undefined;
}

type Policy = NonNullable<AzureKeys.CryptographyClientOptions["additionalPolicies"]>[number]["policy"];

function boundAnswers(agent: Agent | undefined): Policy {
  return {
    name: "bunkmsBoundAnswers",
    sendRequest: async (request, next) => {
      // Infinity: of whatever status, the body is left as a stream.
      request.streamResponseStatusCodes = new Set([Number.POSITIVE_INFINITY]);
      if (agent !== undefined) request.agent = agent;
      const response = await next(request);
      const { readableStreamBody: body } = response;
      if (body === undefined) return response;
      const bytes = await readBounded(body as AsyncIterable<Uint8Array>);
      delete response.readableStreamBody;
      const text = bytes.toString("utf8");
      wipe(bytes);
      // Where a refusal has no JSON body, the SDK fails over that and forgets the status.
      response.bodyAsText = response.status < 300 || isJsonObject(text) ? text : "{}";
      return response;
    },
  };
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null;
  } catch {
    return false;
  }
}

function judgeError(error: unknown, verdicts: Verdicts): Verdict {
  const { name, code, statusCode, details } = error as {
    readonly name?: unknown;
    readonly code?: unknown;
    readonly statusCode?: number;
    readonly details?: { readonly error?: { readonly innerError?: { readonly code?: unknown } } };
  };
  const known = [name, details?.error?.innerError?.code, code].map((word) => ERRORS.get(word)).find((row) => row);
  if (known !== undefined) return known(verdicts);
  if (statusCode === undefined) return verdicts.noAnswer(error);
  if (statusCode === 400) return verdicts.refused();
  if (statusCode >= 300 && statusCode < 400) return verdicts.redirected();
  if (statusCode === 401 || statusCode === 403) return verdicts.credentials();
  if (statusCode === 404) return verdicts.keyState("does not exist: look at its name and vault");
  if (statusCode === 429) return verdicts.throttled();
  return statusCode >= 500 ? verdicts.failing(statusCode) : verdicts.unexpected(statusCode);
}
