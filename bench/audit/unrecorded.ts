/**
 * Loaded into a server before its own code (`node --import`): calls that change nothing are then not recorded. For the
 * benchmark alone, which thereby learns what recording costs; the server itself has no such switch.
 */
import { Recording } from "../../packages/server/src/pipeline/recording.ts";

const { record } = Recording.prototype;

Recording.prototype.record = async function recordChanges(...call: Parameters<typeof record>): Promise<void> {
  const plan = call[4];
  if (plan !== undefined && plan.changes.length > 0) {
    await record.apply(this, call);
  }
};
