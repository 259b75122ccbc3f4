export * from "./checkpoint.ts";
export * from "./cosignature.ts";
export {
  followHandovers,
  formatHandover,
  type Handover,
  HandoversContradictory,
  openHandover,
  parseHandover,
  type RetiredKey,
  retiredKeys,
} from "./handover.ts";
export * from "./handover-file.ts";
export { type ReadLog, readAhead } from "./log-parts.ts";
export * from "./note.ts";
export * from "./note-key.ts";
export * from "./policy.ts";
export * from "./proof.ts";
export * from "./signature.ts";
export { NoteMalformed } from "./text-form.ts";
export * from "./tile.ts";
export * from "./tile-walk.ts";
export * from "./tlog-proof.ts";
export * from "./tree.ts";
export * from "./verify.ts";
export * from "./verify-log.ts";
