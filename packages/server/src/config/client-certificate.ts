import { ConfigError } from "./config-error.ts";
import { readSmallFile } from "./private-file.ts";
import { label } from "./settings.ts";

/** Where the client certificate of the audit log's sinks and its key lie; both are read again when they change. */
export interface ClientCertificateFiles {
  readonly certPath: string;
  readonly keyPath: string;
}

/** A certificate chain and its private key, PEM, as the files have them. Nobody has looked whether they fit. */
export interface ClientPair {
  readonly cert: Buffer;
  /** The caller zeroes it. */
  readonly key: Buffer;
}

const MAX_CERT_BYTES = 1024 * 1024;
const MAX_KEY_BYTES = 64 * 1024;

/**
 * Reads both files as they are now.
 * @throws ConfigError also if anyone but its owner may read or change the key's file.
 */
export function readClientPair({ certPath, keyPath }: ClientCertificateFiles): ClientPair {
  const cert = readSmallFile(certPath, label("auditClientCert"), MAX_CERT_BYTES).bytes;
  const { bytes: key, isPrivate } = readSmallFile(keyPath, label("auditClientKey"), MAX_KEY_BYTES);
  if (!isPrivate) {
    key.fill(0);
    throw new ConfigError([
      `${label("auditClientKey")}: others than its owner can read or change the file; do chmod 600`,
    ]);
  }
  return { cert, key };
}
