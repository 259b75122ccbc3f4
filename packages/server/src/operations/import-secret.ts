import { timestampMs } from "@bufbuild/protobuf/wkt";
import { BunkmsError, SecretService } from "@bunkms/contract";
import { defineOperation } from "./operation.ts";
import { secretMessage } from "./secret-message.ts";

/** Clocks of two machines may differ by a little. */
const CLOCK_SKEW_MS = 3_600_000;

export const importSecret = defineOperation(
  SecretService.method.importSecret,
  async ({ vault, now }, { name, valueB64, createdAt }) => {
    const time = createdAt === undefined ? -1 : timestampMs(createdAt);
    if (!(time >= 0 && time <= now + CLOCK_SKEW_MS)) {
      throw new BunkmsError("invalid_request", "created_at: from 1970 to an hour from now");
    }
    const plan = await vault.secrets.import(name, Buffer.from(valueB64), time);
    return { response: secretMessage(plan.result), plan };
  },
);
