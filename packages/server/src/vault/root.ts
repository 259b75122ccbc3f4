import { wipe } from "../crypto/kdf.ts";
import { randomBytes } from "../crypto/random.ts";
import { type Seal, SealFailure, SealUnavailable } from "../seal/seal.ts";
import type { Store } from "../store/store.ts";
import { decodeSlot, SLOT_PREFIX, SLOT_TABLE, type Slot, slotContext } from "./slot.ts";

const ID_LENGTH = 16;
const ROOT_KEY_LENGTH = 32;
/** More slots than any vault may have. */
const ALL_SLOTS = 1000;

/** What of a seal makes slots. */
export type WrappingSeal = Pick<Seal, "kind" | "keyName" | "wrap">;

/** A seal for a slot to be made, with what it wants to find there again. */
export interface SlotSeal {
  readonly seal: WrappingSeal;
  readonly parameters: Buffer;
  /**
   * What the seal needs to wrap again, which the keyring keeps for it; empty where it needs nothing. Whoever makes the slot
   * zeroes it.
   */
  readonly psk: Buffer;
}

/** A seal without parameters. */
export function plainSeal(seal: WrappingSeal): SlotSeal {
  return { seal, parameters: Buffer.alloc(0), psk: Buffer.alloc(0) };
}

/** The root key of an open vault: it seals the keyring, and is what slots hold. */
export class Root {
  /** The cluster's id, 16 bytes. */
  readonly cluster: Buffer;
  #key: Buffer;
  #isWiped = false;

  /** @param key 32 bytes; owned by this object from now on. */
  constructor(cluster: Buffer, key: Buffer) {
    this.cluster = cluster;
    this.#key = key;
  }

  /** Lent: not to be kept, changed or zeroed. */
  get key(): Buffer {
    return this.#key;
  }

  /** Takes the bytes over and zeroes those before. */
  replace(key: Buffer): void {
    if (this.#isWiped) {
      // It was sealed in the same commit, before.
      wipe(key);
      return;
    }
    wipe(this.#key);
    this.#key = key;
  }

  /** Zeroes the key: the vault is sealed. */
  wipe(): void {
    this.#isWiped = true;
    wipe(this.#key);
  }
}

/** A new cluster id and root key. */
export function newRoot(): Root {
  return new Root(randomBytes(ID_LENGTH), newRootKey());
}

export function newRootKey(): Buffer {
  return randomBytes(ROOT_KEY_LENGTH);
}

/** Wraps a root key into a new slot. @throws SealUnavailable */
export async function wrapSlot(
  cluster: Buffer,
  rootKey: Buffer,
  { seal, parameters }: Pick<SlotSeal, "seal" | "parameters">,
  createdAt: number,
  signal: AbortSignal,
): Promise<Slot> {
  const { kind, keyName } = seal;
  return rewrapSlot(
    { cluster, id: randomBytes(ID_LENGTH), kind, keyName, createdAt, parameters },
    rootKey,
    seal,
    signal,
  );
}

/** The slot with this root key in it. @throws SealUnavailable */
export async function rewrapSlot(
  slot: Omit<Slot, "wrapped">,
  rootKey: Buffer,
  seal: WrappingSeal,
  signal: AbortSignal,
): Promise<Slot> {
  return { ...slot, keyName: seal.keyName, wrapped: await seal.wrap(rootKey, slotContext(slot), signal) };
}

/** All slots that can be read, in the order of their ids. */
export async function readSlots(store: Pick<Store, "list">): Promise<readonly Slot[]> {
  const records = await store.list(SLOT_TABLE, { prefix: SLOT_PREFIX, limit: ALL_SLOTS });
  return records.map(({ value }) => decodeSlot(value)).filter((slot) => slot !== undefined);
}

/** Whether the store holds a vault: at least one slot, be it damaged. */
export async function hasRoot(store: Store): Promise<boolean> {
  return (await store.list(SLOT_TABLE, { prefix: SLOT_PREFIX, limit: 1 })).length > 0;
}

/** A root key that a slot gave, and which one. */
export interface OpenedRoot {
  readonly root: Root;
  readonly slot: Slot;
}

/**
 * Opens the root key with the first slot of the seal's kind that it can open.
 * @throws SealUnavailable when the seal could not be asked, for then another try may succeed; SealFailure that names the
 * slots there are, when it opens none.
 */
export async function openRoot(
  slots: readonly Slot[],
  seal: Pick<Seal, "kind" | "unwrap">,
  signal: AbortSignal,
): Promise<OpenedRoot> {
  let cause: unknown;
  for (const slot of slots.filter(({ kind }) => kind === seal.kind)) {
    try {
      return await openSlot(slot, seal, signal);
    } catch (error) {
      if (!(error instanceof SealFailure || error instanceof SealUnavailable)) {
        throw error;
      }
      cause = cause instanceof SealUnavailable ? cause : error;
    }
  }
  if (cause instanceof SealUnavailable) {
    throw cause;
  }
  const kinds = slots.map(({ kind }) => kind).join(", ") || "none that can be read";
  throw new SealFailure(
    `the ${seal.kind} seal opens none of the seal slots of this vault (slots: ${kinds}): ` +
      "give the key that one of them was made with; nothing was changed",
    { cause },
  );
}

/** @throws SealFailure, SealUnavailable */
export async function openSlot(slot: Slot, seal: Pick<Seal, "unwrap">, signal: AbortSignal): Promise<OpenedRoot> {
  const key = await seal.unwrap(slot.wrapped, slotContext(slot), signal);
  if (key.length !== ROOT_KEY_LENGTH) {
    wipe(key);
    throw new SealFailure("the slot does not hold a root key");
  }
  return { root: new Root(slot.cluster, key), slot };
}
