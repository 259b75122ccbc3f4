import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { CheckpointRecordSchema } from "@bunkms/contract/record";
import type { Records } from "../vault/records.ts";

const TABLE = "audit-checkpoint";
const PATH = "main/signed";

/** The last checkpoint that was signed, as a signed note; undefined when there is none. @throws RecordDamaged */
export async function loadCheckpoint(records: Records): Promise<string | undefined> {
  const record = await records.read(TABLE, PATH);
  return record && fromBinary(CheckpointRecordSchema, record.payload).note;
}

/** Writes the newest checkpoint to disk. @throws StoreUnavailable */
export async function saveCheckpoint(records: Records, note: string): Promise<void> {
  const payload = toBinary(CheckpointRecordSchema, create(CheckpointRecordSchema, { note }));
  await records.keep([{ table: TABLE, path: PATH, payload }]);
}
