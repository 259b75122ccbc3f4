import { storeConformance } from "./conformance.ts";
import { openMemoryStore } from "./memory.ts";

storeConformance("memory", async () => openMemoryStore(), {
  sequences: process.env["BUNKMS_SOAK"] === "1" ? 20_000 : 300,
  seed: Number(process.env["BUNKMS_TEST_SEED"] ?? Date.now() % 2 ** 31),
});
