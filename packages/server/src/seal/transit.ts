import { readFile } from "node:fs/promises";
import { type JsonAnswer, openJsonService } from "../remote/json-service.ts";
import { envelopeSeal } from "./envelope.ts";
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
import { TRANSIT_DIALECTS, type TransitDialect } from "./transit-dialects.ts";
import { holdToken, type ReadToken } from "./transit-token.ts";

const MOUNT = /^[A-Za-z0-9][\w.-]{0,127}(\/[A-Za-z0-9][\w.-]{0,127}){0,7}$/;
/** No alias of BunKMS: the slot must open after it was moved. */
const KEY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const NAMESPACE = /^[\w./-]{1,256}$/;
const BASE64 = /^[A-Za-z0-9+/]{1,4096}={0,2}$/;
const MAX_CIPHERTEXT = 2048;

export interface TransitOptions {
  /** `https://HOST:PORT`; http on loopback. */
  readonly address: string;
  /** `vault` is HashiCorp Vault and OpenBao; that unless given. */
  readonly dialect?: keyof typeof TRANSIT_DIALECTS | undefined;
  /** Where the Transit engine is mounted; `transit` unless given. For Vault. */
  readonly mount?: string | undefined;
  readonly key: string;
  /** Asked before the first call, and again when the token is refused. See `tokenFromFile`. */
  readonly readToken: ReadToken;
  /** For Vault. */
  readonly namespace?: string | undefined;
  /** The authorities, PEM, in place of those that the runtime trusts. */
  readonly caFile?: string | undefined;
}

/** What tests put in the place of the real. */
export interface TransitParts {
  readonly timeoutMs?: number;
}

/** The service answered, but not with 200. */
class Refusal extends Error {
  readonly answer: JsonAnswer;

  constructor(answer: JsonAnswer) {
    super("refused");
    this.name = "Refusal";
    this.answer = answer;
  }
}

/**
 * The seal of a key in the Transit engine of Vault or OpenBao, or in another BunKMS.
 * @throws SealFailure when the options are wrong, the file of authorities among them.
 */
export async function transitSeal(options: TransitOptions, parts: TransitParts = {}): Promise<Seal> {
  const address = readServiceAddress(options.address, "the transit seal's address");
  const { key, mount = "transit", namespace } = options;
  if (!KEY.test(key)) throw new SealFailure("the transit seal's key must be a key's name, without an alias or a path");
  if (!MOUNT.test(mount)) throw new SealFailure("the transit seal's mount must be a path such as transit");
  if (namespace !== undefined && !NAMESPACE.test(namespace)) {
    throw new SealFailure("the transit seal's namespace must be a path");
  }
  const dialectName = options.dialect ?? "vault";
  const dialect: TransitDialect = TRANSIT_DIALECTS[dialectName];
  const keyName = dialectName === "vault" ? `${mount}/${key}` : key;
  if (keyName.length > MAX_KEY_NAME) throw new SealFailure("the transit seal's mount and key are too long");
  const service: RemoteService = {
    name: dialect.name,
    keyName,
    credentialsHint: dialect.credentialsHint,
    timeoutMs: parts.timeoutMs ?? CALL_TIMEOUT_MS,
  };
  const remote = openJsonService(address, await readAuthorities(options.caFile));
  const token = holdToken(
    options.readToken,
    dialect.hasLeases
      ? (path, current) => {
          const method = path === "lookup-self" ? "GET" : "POST";
          const body = path === "lookup-self" ? undefined : {};
          const signal = AbortSignal.timeout(service.timeoutMs);
          return remote.ask(method, `/v1/auth/token/${path}`, dialect.headers(current, namespace), body, signal);
        }
      : undefined,
  );
  const ask = async (call: ReturnType<TransitDialect["encrypt"]>, signal: AbortSignal): Promise<unknown> => {
    const post = async () =>
      remote.ask("POST", call.path, dialect.headers(await token.get(), namespace), call.body, signal);
    let answer = await post();
    if ((answer.status === 401 || answer.status === 403) && (await token.readAgain())) answer = await post();
    if (answer.status !== 200) throw new Refusal(answer);
    token.keep();
    return answer.body;
  };
  const judge = (error: unknown, verdicts: Verdicts): Verdict =>
    error instanceof Refusal ? dialect.judge(error.answer, verdicts) : verdicts.noAnswer(error);

  return envelopeSeal({
    kind: "transit",
    keyName,
    wrapKey: (slotKey, context, signal) =>
      callRemote(
        service,
        "wrap",
        signal,
        async (abortSignal, verdicts) => {
          const call = dialect.encrypt({ mount, key }, base64(slotKey), base64(context));
          const ciphertext = dialect.readCiphertext(await ask(call, abortSignal));
          if (typeof ciphertext !== "string" || ciphertext === "" || ciphertext.length > MAX_CIPHERTEXT) {
            throw verdicts.unexpected().error;
          }
          return joinWrapped({ keyName, ciphertext: Buffer.from(ciphertext, "utf8") });
        },
        judge,
      ),
    unwrapKey: async (wrapped, context, signal) => {
      const { keyName: recorded, ciphertext } = splitWrapped(wrapped);
      if (recorded !== keyName) throw verdictsOf(service, "unwrap").otherKey().error;
      return callRemote(
        service,
        "unwrap",
        signal,
        async (abortSignal, verdicts) => {
          const call = dialect.decrypt({ mount, key }, ciphertext.toString("utf8"), base64(context));
          const plaintext = dialect.readPlaintext(await ask(call, abortSignal));
          if (typeof plaintext !== "string" || !BASE64.test(plaintext)) throw verdicts.unexpected().error;
          return Buffer.from(plaintext, "base64");
        },
        judge,
      );
    },
    close: async () => {
      token.close();
      remote.close();
    },
  });
}

async function readAuthorities(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const pem = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new SealFailure("the transit seal's file of authorities cannot be read", { cause });
  });
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) {
    throw new SealFailure("the transit seal's file of authorities holds no certificate");
  }
  return pem;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
