import type { MakeStreamCipher } from "../crypto/stream-cipher.ts";
import type { Fetch, TlsOptions } from "../options.ts";
import type { Wire } from "../wire.ts";

/** What wraps key material for an import. */
export type KeyWrap = Pick<typeof import("../import/wrap-material.ts"), "wrapMaterial">;

/** What sends and reads attachments of the audit log. */
export type Attachments = Pick<typeof import("../attachment/attachment.ts"), "sendAttachment" | "readAttachment">;

/** What seals a key backup for a cluster. */
export type KeyBackup = Pick<typeof import("../backup/seal-key-backup.ts"), "sealKeyBackup">;

/** What Node, Deno and Bun have, and browsers lack. Each function loads its part when it is first called. */
export interface Runtime {
  /** The gRPC way to a server. */
  openGrpc(url: URL, tls: TlsOptions | undefined): Promise<Wire>;
  /** A `fetch` for HTTPS with certificates of the caller's choice. */
  createTlsFetch(tls: TlsOptions): Promise<Fetch>;
  /** What reads a token from a file, again whenever the file was changed. */
  watchTokenFile(path: string): Promise<() => Promise<string>>;
  loadKeyWrap(): Promise<KeyWrap>;
  loadAttachments(): Promise<Attachments>;
  loadKeyBackup(): Promise<KeyBackup>;
  /** A cipher for streams that is faster than WebCrypto's; undefined where there is none. */
  loadStreamCipher(): Promise<MakeStreamCipher | undefined>;
}
