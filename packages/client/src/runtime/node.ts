import type { Runtime } from "./runtime.ts";

/** Deno and Bun say that they are Node, too. */
const IS_NODE = !("Deno" in globalThis) && !("Bun" in globalThis);

/** What Node has; Deno and Bun have the same modules. */
export const runtime: Runtime = {
  openGrpc: async (url, tls) => (await import("../grpc/grpc-wire.ts")).createGrpcWire(url, tls),
  createTlsFetch: async (tls) => (await import("./tls-fetch.ts")).tlsFetch(tls),
  watchTokenFile: async (path) => (await import("./token-file.ts")).watchTokenFile(path),
  loadKeyWrap: () => import("../import/wrap-material.ts"),
  loadAttachments: () => import("../attachment/attachment.ts"),
  loadKeyBackup: () => import("../backup/seal-key-backup.ts"),
  loadStreamCipher: async () =>
    IS_NODE ? (await import("../file/node-stream-cipher.ts")).makeNodeStreamCipher : undefined,
};
