import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { CheckpointRecordSchema, WitnessRecordSchema } from "@bunkms/contract/record";
import type { NoteKey } from "@bunkms/tlog";
import type { WitnessCursor } from "../audit/witnesses/checkpoint-witness.ts";
import { witnessId } from "../audit/witnesses/policy.ts";
import type { Aside } from "../vault/asides.ts";
import type { Records } from "../vault/records.ts";

const TABLE = "audit-checkpoint";
/** The newest that was signed, and the newest that witnesses have cosigned as the policy asks. */
const PATHS = { signed: "main/signed", cosigned: "main/cosigned" } as const;

const CURSORS = "audit-cursor";

/** A checkpoint as it was kept, as a signed note; undefined when there is none. @throws RecordDamaged */
export async function loadCheckpoint(records: Records, which: keyof typeof PATHS): Promise<string | undefined> {
  const record = await records.read(TABLE, PATHS[which]);
  return record && fromBinary(CheckpointRecordSchema, record.payload).note;
}

/** Writes the newest checkpoint to disk. @throws StoreUnavailable */
export async function saveCheckpoint(records: Records, note: string): Promise<void> {
  await records.keep([checkpointRecord("signed", note)]);
}

/** How far a witness was; undefined of one that never cosigned. @throws RecordDamaged, StoreUnavailable */
export async function loadWitness(records: Records, key: NoteKey): Promise<WitnessCursor | undefined> {
  const record = await records.read(CURSORS, cursorPath(key));
  if (record === undefined) {
    return undefined;
  }
  const { size, cosignedAtMs } = fromBinary(WitnessRecordSchema, record.payload);
  return { size: Number(size), cosignedAt: Number(cosignedAtMs) };
}

/** Writes how far witnesses are, and the checkpoint that they cosigned, if there is a newer one. @throws StoreUnavailable */
export async function saveWitnessed(
  records: Records,
  cursors: ReadonlyMap<NoteKey, WitnessCursor>,
  cosigned: string | undefined,
): Promise<void> {
  const asides = [...cursors].map(([key, { size, cosignedAt }]) => {
    const record = create(WitnessRecordSchema, { size: BigInt(size), cosignedAtMs: BigInt(cosignedAt) });
    return { table: CURSORS, path: cursorPath(key), payload: toBinary(WitnessRecordSchema, record) } as const;
  });
  await records.keep([...asides, ...(cosigned === undefined ? [] : [checkpointRecord("cosigned", cosigned)])]);
}

function checkpointRecord(which: keyof typeof PATHS, note: string): Aside {
  const payload = toBinary(CheckpointRecordSchema, create(CheckpointRecordSchema, { note }));
  return { table: TABLE, path: PATHS[which], payload };
}

function cursorPath(key: NoteKey): string {
  return `main/witness/${witnessId(key)}`;
}
