import { SystemService } from "@bunkms/contract";
import { randomBytes } from "../crypto/random.ts";
import { defineOperation } from "./operation.ts";

const DEFAULT_BYTES = 32;

export const generateRandom = defineOperation(SystemService.method.generateRandom, async (_, { bytes }) => ({
  response: { randomB64: randomBytes(bytes || DEFAULT_BYTES) },
}));
