/** Loads what seals a key backup for a cluster: `sealKeyBackup`. It needs Node's cryptography, which browsers lack. */
export function loadKeyBackup(): Promise<typeof import("./backup/seal-key-backup.ts")> {
  return import("./backup/seal-key-backup.ts");
}
