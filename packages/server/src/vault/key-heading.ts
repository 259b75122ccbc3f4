import { BinaryReader } from "@bufbuild/protobuf/wire";
import { type KeyRecord, KeyRecordSchema } from "@bunkms/contract/record";

/** Of a key's record, what the key is found by. */
export type KeyHeading = Pick<
  KeyRecord,
  | "name"
  | "id"
  | "type"
  | "state"
  | "tags"
  | "rotationPeriodSeconds"
  | "rotatedAtMs"
  | "deletionAtMs"
  | "versionDeletionAtMs"
>;

const { name, id, type, state, tags, rotationPeriodSeconds, rotatedAtMs, deletionAtMs, versionDeletionAtMs } =
  KeyRecordSchema.field;

/** The fields of an entry in a map. */
const ENTRY_KEY = 1;
const ENTRY_VALUE = 2;

/**
 * Reads so much of a key's record as `fromBinary` would, and skips the rest. A start does it for every key, and making a
 * message with all fields takes longer than reading it.
 * @param payload What the barrier opened: written as a record of this schema, or of a later one. Other bytes, which its
 * authentication lets nobody put there without the barrier key, may read differently than by `fromBinary`.
 * @throws Error when it is cut short.
 */
export function readKeyHeading(payload: Uint8Array): KeyHeading {
  const heading = {
    name: "",
    id: new Uint8Array(0),
    type: "",
    state: "",
    tags: {},
    rotationPeriodSeconds: 0,
    rotatedAtMs: 0n,
    deletionAtMs: 0n,
    versionDeletionAtMs: 0n,
  };
  const reader = new BinaryReader(payload);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    switch (number) {
      case name.number:
        heading.name = reader.string(true);
        break;
      case id.number:
        heading.id = reader.bytes() as Uint8Array<ArrayBuffer>;
        break;
      case type.number:
        heading.type = reader.string(true);
        break;
      case state.number:
        heading.state = reader.string(true);
        break;
      case tags.number:
        readTag(reader, heading.tags);
        break;
      case rotationPeriodSeconds.number:
        heading.rotationPeriodSeconds = reader.uint32();
        break;
      case rotatedAtMs.number:
        heading.rotatedAtMs = reader.int64() as bigint;
        break;
      case deletionAtMs.number:
        heading.deletionAtMs = reader.int64() as bigint;
        break;
      case versionDeletionAtMs.number:
        heading.versionDeletionAtMs = reader.int64() as bigint;
        break;
      default:
        reader.skip(wireType, number);
    }
  }
  return heading;
}

function readTag(reader: BinaryReader, into: Record<string, string>): void {
  const length = reader.uint32();
  const end = reader.pos + length;
  let key = "";
  let value = "";
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    switch (number) {
      case ENTRY_KEY:
        key = reader.string(true);
        break;
      case ENTRY_VALUE:
        value = reader.string(true);
        break;
      default:
        reader.skip(wireType, number);
    }
  }
  // No name is "__proto__": it begins with a letter or a digit (keys.proto).
  into[key] = value;
}
