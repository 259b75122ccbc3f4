import { readFileSync, statSync } from "node:fs";
import type { TlsFiles } from "../config/config.ts";
import { isCertificateOf } from "../crypto/certificate.ts";

// Not imported: see listen.ts.
const { createSecureContext } = process.getBuiltinModule("node:tls");

/** A certificate chain and its private key, PEM. */
export interface TlsPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

const LOOK_EVERY_MS = 2000;

/**
 * The TLS certificate, read again when its files change: a pair that does not fit together is reported and not used,
 * so that a half-written renewal never takes the listeners down.
 */
export class TlsSource {
  readonly #files: TlsFiles;
  readonly #onError: (error: unknown) => void;
  readonly #listeners: ((pair: TlsPair) => void)[] = [];
  #pair: TlsPair;
  #seen: string;
  #timer: NodeJS.Timeout | undefined;
  /** What was last reported, which is not said again at each look. */
  #reported: string | undefined;

  /** @throws Error when the files are not a certificate with its key. */
  constructor(files: TlsFiles, onError: (error: unknown) => void) {
    this.#files = files;
    this.#onError = onError;
    this.#seen = this.#stamp();
    this.#pair = readPair(files);
  }

  get pair(): TlsPair {
    return this.#pair;
  }

  /** Calls back with each new pair. */
  onChange(listener: (pair: TlsPair) => void): void {
    this.#listeners.push(listener);
  }

  /** Looks at the files from time to time. */
  watch(): void {
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#timer.unref();
  }

  /** Looks at the files now, and reports what is wrong also if it was reported before. */
  reload(): void {
    this.#reported = undefined;
    this.#look();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    try {
      const stamp = this.#stamp();
      if (stamp !== this.#seen) {
        this.#pair = readPair(this.#files);
        this.#seen = stamp;
        for (const listener of this.#listeners) {
          listener(this.#pair);
        }
      }
      this.#reported = undefined;
    } catch (error) {
      const reason = (error as Error).message;
      if (reason !== this.#reported) {
        this.#reported = reason;
        this.#onError(error);
      }
    }
  }

  #stamp(): string {
    return [this.#files.certPath, this.#files.keyPath]
      .map((path) => statSync(path))
      .map((stat) => `${stat.ino}:${stat.size}:${stat.mtimeMs}`)
      .join();
  }
}

function readPair({ certPath, keyPath }: TlsFiles): TlsPair {
  const pair = { cert: readFileSync(certPath), key: readFileSync(keyPath) };
  const refusal = "--tls-cert, --tls-key: not a PEM certificate and the private key that fits it";
  try {
    createSecureContext(pair);
    if (isCertificateOf(pair.cert, pair.key)) {
      return pair;
    }
  } catch (cause) {
    throw new Error(refusal, { cause });
  }
  throw new Error(refusal);
}
