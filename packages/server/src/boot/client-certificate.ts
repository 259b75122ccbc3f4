import { type Stats, statSync } from "node:fs";
import type { SecureContext } from "node:tls";
import { type ClientCertificateFiles, readClientPair } from "../config/client-certificate.ts";
import { ConfigError } from "../config/config-error.ts";
import { label } from "../config/settings.ts";
import { isCertificateOf } from "../crypto/certificate.ts";
import { makeContext } from "../remote/secure-context.ts";

/**
 * The client certificate, looked at whenever a connection is made and read again when its files have changed. A pair that does
 * not fit together is reported once and not used: the one of before goes on, so that a half-written renewal stops nothing.
 */
export class ClientCertificate {
  readonly #files: ClientCertificateFiles;
  readonly #ca: string | undefined;
  readonly #onBroken: (error: unknown) => void;
  #context: SecureContext;
  #seen: string;
  #reported: string | undefined;

  /**
   * @param ca Authorities to trust in place of the built-in ones, PEM.
   * @param onBroken Told why changed files are not used. No secret is in it.
   * @throws ConfigError when the files are not a certificate with its private key.
   */
  constructor(files: ClientCertificateFiles, ca: string | undefined, onBroken: (error: unknown) => void) {
    this.#files = files;
    this.#ca = ca;
    this.#onBroken = onBroken;
    this.#seen = stampOf(files);
    this.#context = readContext(files, ca);
  }

  /** What connections are made with from now on: the same object until the files have changed. */
  context(): SecureContext {
    try {
      const stamp = stampOf(this.#files);
      if (stamp !== this.#seen) {
        this.#context = readContext(this.#files, this.#ca);
        this.#seen = stamp;
      }
      this.#reported = undefined;
    } catch (error) {
      const reason = (error as Error).message;
      if (reason !== this.#reported) {
        this.#reported = reason;
        this.#onBroken(error);
      }
    }
    return this.#context;
  }
}

/** Differs when a file was written, put in the other's place, or given other permissions. */
function stampOf({ certPath, keyPath }: ClientCertificateFiles): string {
  return [certPath, keyPath]
    .map(fileAt)
    .map(({ ino, size, mtimeMs, ctimeMs }) => `${ino}:${size}:${mtimeMs}:${ctimeMs}`)
    .join();
}

function fileAt(path: string): Stats {
  try {
    return statSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError([
      `${label("auditClientCert")}, ${label("auditClientKey")}: ${path} cannot be read (${code})`,
    ]);
  }
}

function readContext(files: ClientCertificateFiles, ca: string | undefined): SecureContext {
  const { cert, key } = readClientPair(files);
  try {
    const context = makeContext({ ca, cert, key });
    if (isCertificateOf(cert, key)) {
      return context;
    }
  } catch {
    // What OpenSSL has to say about it, such as that there is no start line, helps nobody.
  } finally {
    key.fill(0);
  }
  throw new ConfigError([
    `${label("auditClientCert")}, ${label("auditClientKey")}: not a PEM certificate and the private key that fits it, ` +
      "without a passphrase",
  ]);
}
