/** One service of each kind of seal, and the settings by which the server's program uses it. */

import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import type { SealKind } from "../../packages/server/src/config/value-type.ts";
import { startCannedServer } from "../harness/canned-server.ts";
import { makeGoogleAccount } from "../harness/google-account.ts";
import { startGoogleKms } from "../harness/google-kms.ts";
import { startKeyVault, VAULT_TOKEN } from "../harness/key-vault.ts";
import { MOTO_CREDENTIALS, startMoto } from "../harness/moto.ts";
import { startServer } from "../harness/server.ts";
import { makeAuthority } from "../requirements/certificates.ts";
import { operationOf, restTransport } from "../requirements/operation-call.ts";
import { PIN, startSoftHsm } from "./softhsm.ts";

/** What a server is started with to have a seal. */
export interface SealSetting {
  readonly env: Readonly<Record<string, string>>;
  readonly nodeArgs?: readonly string[];
}

/** A seal that servers can be set up with. */
interface SealAtHand extends SealSetting {
  close(): Promise<void>;
}

const REGION = "eu-central-1";
const AZURE_HOST = "unit.vault.azure.net";

/** How the service of each seal is started. @param folder For its files. */
const STARTS: Readonly<Record<SealKind, (folder: string) => Promise<SealAtHand>>> = {
  env: async (folder) => keyFile(folder, "BUNKMS_MASTER_KEY_FILE"),
  file: async (folder) => keyFile(folder, "BUNKMS_SEAL_FILE"),
  shamir: async () => ({ env: {}, close: async () => {} }),
  pkcs11: startToken,
  awskms: startAws,
  gcpkms: startGoogle,
  azurekv: startAzure,
  transit: startTransit,
};

/** The seals that were started, for a test file. */
export class SealsAtHand implements AsyncDisposable {
  readonly #folder: string;
  readonly #seals: ReadonlyMap<SealKind, SealAtHand>;

  private constructor(folder: string, seals: ReadonlyMap<SealKind, SealAtHand>) {
    this.#folder = folder;
    this.#seals = seals;
  }

  static async start(kinds: readonly SealKind[]): Promise<SealsAtHand> {
    const folder = mkdtempSync(join(tmpdir(), "bunkms-seals-"));
    const started = kinds.map(async (kind) => [kind, await STARTS[kind](folder)] as const);
    return new SealsAtHand(folder, new Map(await Promise.all(started)));
  }

  /** The settings for a server that has these seals and no others. */
  settings(kinds: readonly SealKind[]): SealSetting {
    const chosen = kinds.map((kind) => this.#seals.get(kind) as SealAtHand);
    return {
      env: Object.assign({}, ...chosen.map(({ env }) => env)) as Record<string, string>,
      nodeArgs: chosen.flatMap(({ nodeArgs = [] }) => nodeArgs),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#seals.values()].map((seal) => seal.close()));
    rmSync(this.#folder, { recursive: true });
  }
}

function keyFile(folder: string, setting: string): SealAtHand {
  const path = join(folder, `${setting}.key`);
  writeFileSync(path, randomBytes(32).toString("hex"), { mode: 0o600 });
  return { env: { [setting]: path }, close: async () => {} };
}

async function startToken(folder: string): Promise<SealAtHand> {
  const hsm = startSoftHsm();
  await hsm.addToken("vault");
  await hsm.tool("vault", "--keygen", "--key-type", "AES:32", "--label", "root", "--id", "01", "--sensitive");
  const pinFile = join(folder, "pin");
  writeFileSync(pinFile, PIN, { mode: 0o600 });
  return {
    env: {
      BUNKMS_PKCS11_MODULE: hsm.module,
      BUNKMS_PKCS11_TOKEN: "vault",
      BUNKMS_PKCS11_KEY: "root",
      BUNKMS_PKCS11_PIN_FILE: pinFile,
    },
    close: async () => hsm.remove(),
  };
}

async function startAws(): Promise<SealAtHand> {
  const moto = await startMoto();
  const credentials = {
    accessKeyId: MOTO_CREDENTIALS.AWS_ACCESS_KEY_ID,
    secretAccessKey: MOTO_CREDENTIALS.AWS_SECRET_ACCESS_KEY,
  };
  const admin = new KMSClient({ region: REGION, endpoint: moto.url, credentials });
  const { KeyMetadata: key } = await admin.send(new CreateKeyCommand({}));
  admin.destroy();
  return {
    env: {
      ...MOTO_CREDENTIALS,
      BUNKMS_AWSKMS_KEY_ID: key?.Arn as string,
      BUNKMS_AWSKMS_REGION: REGION,
      BUNKMS_AWSKMS_ENDPOINT: moto.url,
    },
    close: moto.remove,
  };
}

async function startGoogle(folder: string): Promise<SealAtHand> {
  const authority = await makeAuthority(folder, "google-authority");
  const files = await authority.issue("google");
  const tls = { cert: readFileSync(files.cert, "utf8"), key: readFileSync(files.key, "utf8") };
  const server = await startGoogleKms({ tls });
  return {
    env: {
      GOOGLE_APPLICATION_CREDENTIALS: makeGoogleAccount(folder).path,
      METADATA_SERVER_DETECTION: "none",
      GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: authority.path,
      BUNKMS_GCPKMS_KEY: "projects/p-1/locations/europe-west3/keyRings/bunkms/cryptoKeys/root",
      BUNKMS_GCPKMS_ENDPOINT: server.url,
    },
    close: async () => server.close(),
  };
}

/** The login is that of a managed identity, as Azure App Service has it: an address on the machine that gives a token. */
async function startAzure(folder: string): Promise<SealAtHand> {
  const authority = await makeAuthority(folder, "azure-authority");
  const files = await authority.issue("azure", "ec", [AZURE_HOST]);
  const tls = { cert: readFileSync(files.cert, "utf8"), key: readFileSync(files.key, "utf8"), ca: authority.pem };
  const vault = await startKeyVault(tls);
  vault.rotate("root");
  const login = await startCannedServer(() => ({
    status: 200,
    body: {
      access_token: VAULT_TOKEN,
      expires_on: String(Math.floor(Date.now() / 1000) + 3_600),
      resource: "https://vault.azure.net",
      token_type: "Bearer",
    },
  }));
  return {
    env: {
      AZURE_TOKEN_CREDENTIALS: "ManagedIdentityCredential",
      IDENTITY_ENDPOINT: `${login.url}/token`,
      IDENTITY_HEADER: "of this test",
      NODE_EXTRA_CA_CERTS: authority.path,
      BUNKMS_AZUREKV_KEY: `${vault.url}/keys/root`,
    },
    nodeArgs: ["--import", join(import.meta.dirname, "..", "harness", "loopback-names.ts")],
    close: async () => {
      await Promise.all([vault.close(), login.close()]);
    },
  };
}

async function startTransit(folder: string): Promise<SealAtHand> {
  const other = await startServer();
  const rest = restTransport(other.url);
  const created = await rest.call(operationOf("keys.create"), { name: "root" }, { token: other.rootToken });
  rest.close();
  if (created.code !== "ok") throw new Error(`the other vault makes no key: ${created.text}`);
  return { env: transitSettings(folder, other.url, "root", other.rootToken), close: other.remove };
}

/** The settings for another BunKMS. @param folder For the file with its token. */
export function transitSettings(folder: string, url: string, key: string, token: string): Record<string, string> {
  const tokenFile = join(folder, "transit-token");
  writeFileSync(tokenFile, token, { mode: 0o600 });
  return {
    BUNKMS_TRANSIT_ADDR: url,
    BUNKMS_TRANSIT_DIALECT: "bunkms",
    BUNKMS_TRANSIT_KEY: key,
    BUNKMS_TRANSIT_TOKEN_FILE: tokenFile,
  };
}
