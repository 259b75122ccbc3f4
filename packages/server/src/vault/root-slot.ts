import { wipe } from "../crypto/kdf.ts";
import { randomBytes } from "../crypto/random.ts";
import { type Seal, SealFailure } from "../seal/seal.ts";
import type { Store, Write } from "../store/store.ts";

/** Slots lie in the table `meta` under this prefix, one record a slot. */
export const SLOT_PREFIX = "slot/";
const FORMAT = 1;
const ID_LENGTH = 16;
const CONTEXT = Buffer.from("bunkms seal slot v1");

/** The root key, opened. Its owner zeroes it after deriving. */
export interface OpenedRoot {
  readonly cluster: Buffer;
  readonly rootKey: Buffer;
}

interface Slot {
  readonly cluster: Buffer;
  readonly id: Buffer;
  readonly kind: string;
  readonly wrapped: Buffer;
}

/** Makes a new cluster id and root key, wrapped into a first slot that is still to be committed. */
export async function createRoot(seal: Seal): Promise<OpenedRoot & { readonly slot: Write }> {
  const cluster = randomBytes(ID_LENGTH);
  const id = randomBytes(ID_LENGTH);
  const rootKey = randomBytes(32);
  const wrapped = await seal.wrap(rootKey, slotContext(cluster, id, seal.kind), new AbortController().signal);
  const slot: Write = {
    table: "meta",
    path: SLOT_PREFIX + id.toString("hex"),
    value: encodeSlot({ cluster, id, kind: seal.kind, wrapped }),
    expected: 0,
  };
  return { cluster, rootKey, slot };
}

/** Whether the store holds a vault: at least one slot. */
export async function hasRoot(store: Store): Promise<boolean> {
  return (await store.list("meta", { prefix: SLOT_PREFIX, limit: 1 })).length > 0;
}

/**
 * Opens the root key with the first slot of the seal's kind that it can open.
 * @throws SealFailure that names the slots there are, when none opens.
 */
export async function openRoot(store: Store, seal: Seal): Promise<OpenedRoot> {
  const slots = (await store.list("meta", { prefix: SLOT_PREFIX, limit: 1000 })).map((record) =>
    decodeSlot(Buffer.from(record.value)),
  );
  let cause: unknown;
  for (const slot of slots.filter((candidate) => candidate.kind === seal.kind)) {
    try {
      const rootKey = await seal.unwrap(
        slot.wrapped,
        slotContext(slot.cluster, slot.id, slot.kind),
        new AbortController().signal,
      );
      if (rootKey.length !== 32) {
        wipe(rootKey);
        throw new SealFailure("the slot does not hold a root key");
      }
      return { cluster: slot.cluster, rootKey };
    } catch (error) {
      cause = error;
    }
  }
  throw new SealFailure(
    `the ${seal.kind} seal opens none of the seal slots of this vault (${describe(slots)}): ` +
      "give the master key that the vault was initialised with; nothing was changed",
    { cause },
  );
}

/** Which slots these records are, for people: `slots: env`; nothing when there are none. */
export function describeSlots(values: readonly Uint8Array[]): string {
  return values.length === 0 ? "" : describe(values.map((value) => decodeSlot(Buffer.from(value))));
}

function describe(slots: readonly Slot[]): string {
  return `slots: ${slots.map((slot) => slot.kind).join(", ")}`;
}

/** What a wrapping is bound to, so that a slot moved to another vault or changed to another kind does not open. */
function slotContext(cluster: Buffer, id: Buffer, kind: string): Buffer {
  return Buffer.concat([CONTEXT, cluster, id, Buffer.from(kind)]);
}

function encodeSlot(slot: Slot): Buffer {
  const kind = Buffer.from(slot.kind);
  return Buffer.concat([Buffer.of(FORMAT), slot.cluster, slot.id, Buffer.of(kind.length), kind, slot.wrapped]);
}

function decodeSlot(value: Buffer): Slot {
  const kindAt = 1 + 2 * ID_LENGTH + 1;
  if (value.length < kindAt || value[0] !== FORMAT) {
    throw new SealFailure("a seal slot is of an unknown format: was it written by a newer version?");
  }
  const wrappedAt = kindAt + (value[kindAt - 1] as number);
  return {
    cluster: value.subarray(1, 1 + ID_LENGTH),
    id: value.subarray(1 + ID_LENGTH, 1 + 2 * ID_LENGTH),
    kind: value.subarray(kindAt, wrappedAt).toString("latin1"),
    wrapped: value.subarray(wrappedAt),
  };
}
