import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** A service account's credentials, as Google's console gives them out; the library signs a token with them by itself. */
export interface GoogleAccount {
  /** The file with the credentials. */
  readonly path: string;
  readonly publicKey: KeyObject;
  /** PEM. */
  readonly privateKey: string;
}

export function makeGoogleAccount(folder: string): GoogleAccount {
  const { publicKey, privateKey: key } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const privateKey = key.export({ type: "pkcs8", format: "pem" }) as string;
  const path = join(folder, "account.json");
  writeFileSync(
    path,
    JSON.stringify({
      type: "service_account",
      project_id: "p-1",
      private_key_id: "1",
      private_key: privateKey,
      client_email: "bunkms@p-1.iam.gserviceaccount.com",
      client_id: "1",
      token_uri: "https://127.0.0.1:1/token",
    }),
  );
  return { path, publicKey, privateKey };
}
