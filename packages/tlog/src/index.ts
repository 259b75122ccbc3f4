export * from "./proof.ts";
export * from "./tile.ts";
export * from "./tree.ts";
