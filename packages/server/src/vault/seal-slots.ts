import { create } from "@bufbuild/protobuf";
import { BunkmsError } from "@bunkms/contract";
import {
  BarrierKeySchema,
  type Keyring as KeyringMessage,
  type SlotEntry,
  SlotEntrySchema,
} from "@bunkms/contract/record";
import { equal, wipe } from "../crypto/kdf.ts";
import { randomBytes } from "../crypto/random.ts";
import type { Store, StoredRecord } from "../store/store.ts";
import { loadKeyring } from "./keyring.ts";
import { keyringChange, type OpenedKeyring, readKeyring, wipeKeyring } from "./keyring-record.ts";
import type { Plan } from "./plan.ts";
import type { Change, RecordRef, Records } from "./records.ts";
import { newRootKey, type Root, readSlots, rewrapSlot, type SlotSeal, type WrappingSeal, wrapSlot } from "./root.ts";
import { decodeSlot, encodeSlot, SLOT_TABLE, type Slot, slotDigest, slotPath } from "./slot.ts";

/** A vault has at most so many slots. */
const MAX_SLOTS = 32;

/** A slot has no version of its own: the keyring knows which writing of it is the one. */
const NO_VERSION = 0;

/** What people are told of a slot. */
export interface SlotInfo {
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly kind: string;
  readonly keyName: string;
  readonly createdAt: number;
  readonly parameters: Buffer;
}

/** Changes the keyring's content, and says which slots change with it. */
type KeyringWork<T> = (content: KeyringMessage) => Promise<{ readonly result: T; readonly changes: readonly Change[] }>;

/**
 * The seal slots of an open vault. Each holds the root key, wrapped by another seal; any one opens the vault. The
 * keyring, under the root key, lists them by their digests: what is not listed there is no slot, whoever put it into the
 * store, and each change of a slot rewrites the keyring, so that of two changes at once the second is planned anew.
 */
export class SealSlots {
  readonly #store: Pick<Store, "list">;
  readonly #records: Records;
  readonly #root: Root;
  /** Called after a change of the slots was committed. */
  onChange: () => void = () => {};

  constructor(store: Pick<Store, "list">, records: Records, root: Root) {
    this.#store = store;
    this.#records = records;
    this.#root = root;
  }

  /** The barrier key that seals new records. */
  get barrierVersion(): number {
    return this.#records.barrierVersion;
  }

  /** Takes the barrier keys that are in the store. @throws RecordDamaged when the root key does not open the keyring. */
  async reload(): Promise<void> {
    const { content } = await this.#readKeyring();
    this.#records.useBarrier(loadKeyring(content));
    wipeKeyring(content);
  }

  /** All slots in the order in which they were made. @throws RecordDamaged, StoreUnavailable */
  async list(): Promise<readonly SlotInfo[]> {
    const { content } = await this.#readKeyring();
    wipeKeyring(content);
    return (await this.#slotsOf(content)).map(infoOf).toSorted((a, b) => a.createdAt - b.createdAt);
  }

  /** A listed slot, as it lies in the store. @throws BunkmsError `not_found` */
  async find(id: string): Promise<SlotInfo> {
    const { content } = await this.#readKeyring();
    wipeKeyring(content);
    return infoOf(findSlot(await this.#slotsOf(content), id));
  }

  /**
   * Adds a slot.
   * @throws BunkmsError `already_exists` when the very same wrapping key has one.
   */
  async add(seal: SlotSeal, now: number, signal: AbortSignal): Promise<Plan<SlotInfo>> {
    return this.#changeWith(seal, async (content) => {
      const slots = await this.#slotsOf(content);
      if (content.slots.length >= MAX_SLOTS) {
        throw new BunkmsError("invalid_request", `a vault has at most ${MAX_SLOTS} seal slots; remove one first`);
      }
      if (seal.parameters.length === 0 && slots.some((slot) => isOf(slot, seal.seal))) {
        throw new BunkmsError("already_exists", "this seal has a slot; rewrap it to change its wrapping key");
      }
      const slot = await wrapSlot(this.#root.cluster, this.#root.key, seal, now, signal);
      content.slots.push(entryOf(slot, seal.psk));
      return { result: infoOf(slot), changes: [slotChange(slot, null)] };
    });
  }

  /**
   * Removes a slot. What it wrapped is still the vault's root key: whoever keeps a copy of the slot and its seal's key
   * can open the vault until the root key is rotated. A damaged slot is removed too: the keyring knows it.
   * @throws BunkmsError `not_found`; `last_slot` when no other one can be read.
   */
  async remove(id: string): Promise<Plan<undefined>> {
    return this.#change(async (content) => {
      const gone = content.slots.find((entry) => hexOf(entry.id) === id);
      if (gone === undefined) {
        throw noSuchSlot();
      }
      if ((await this.#slotsOf(content)).every((slot) => equal(slot.id, gone.id))) {
        throw new BunkmsError("last_slot");
      }
      wipe(gone.psk);
      content.slots = content.slots.filter((entry) => entry !== gone);
      const path = slotPath({ id: Buffer.from(gone.id) });
      const record = await this.#records.stored(SLOT_TABLE, path);
      return { result: undefined, changes: record === undefined ? [] : [slotRemoval(record)] };
    });
  }

  /**
   * Wraps the root key anew in a slot: under the newest key of its seal, or for new people. What it held before opens
   * nothing any more, but see `remove`.
   * @throws BunkmsError `not_found`
   */
  async rewrap(id: string, seal: SlotSeal, signal: AbortSignal): Promise<Plan<SlotInfo>> {
    return this.#changeWith(seal, async (content) => {
      const slot = findSlot(await this.#slotsOf(content), id);
      const described = { ...slot, parameters: seal.parameters };
      const rewrapped = await rewrapSlot(described, this.#root.key, seal.seal, signal);
      const entry = findEntry(content, slot);
      wipe(entry.psk);
      entry.psk = seal.psk;
      entry.digest = slotDigest(rewrapped);
      return { result: infoOf(rewrapped), changes: [slotChange(rewrapped, await this.#refOf(slot))] };
    });
  }

  /**
   * Changes the root key: the keyring and all slots get the new one in one commit, and no slot as it was opens anything.
   * @param sealOf The seal that wraps for a slot, given what the keyring keeps for it, which is lent until it has wrapped. What
   * it throws ends the attempt, with nothing changed.
   */
  async rotateRoot(
    sealOf: (slot: SlotInfo, psk: Uint8Array) => Promise<WrappingSeal>,
    signal: AbortSignal,
  ): Promise<Plan<readonly SlotInfo[]>> {
    const rootKey = newRootKey();
    try {
      return await this.#change(async (content) => {
        const slots = await this.#slotsOf(content);
        if (slots.length !== content.slots.length) {
          throw new BunkmsError("slot_damaged");
        }
        const changes: Change[] = [];
        const rewrapped: Slot[] = [];
        for (const slot of slots) {
          const entry = findEntry(content, slot);
          const renewed = await rewrapSlot(slot, rootKey, await sealOf(infoOf(slot), entry.psk), signal);
          entry.digest = slotDigest(renewed);
          rewrapped.push(renewed);
          changes.push(slotChange(renewed, await this.#refOf(slot)));
        }
        return { result: rewrapped.map(infoOf), changes };
      }, rootKey);
    } catch (error) {
      wipe(rootKey);
      throw error;
    }
  }

  /**
   * Adds a barrier key, which seals all records from this commit on.
   * @returns Its version.
   * @throws BunkmsError `conflict` while the records under an older one are still being resealed.
   */
  async rotateBarrier(): Promise<Plan<number>> {
    return this.#change(async (content) => {
      if (content.barrierKeys.length > 1) {
        throw new BunkmsError("rotation_in_progress");
      }
      const version = newestBarrier(content) + 1;
      content.barrierKeys.push(create(BarrierKeySchema, { version, key: randomBytes(32) }));
      return { result: version, changes: [] };
    });
  }

  /** Drops all barrier keys but the newest: when no record lies under them any more. */
  async retireBarrier(): Promise<Plan<number>> {
    return this.#change(async (content) => {
      const newest = newestBarrier(content);
      for (const old of content.barrierKeys.filter(({ version }) => version !== newest)) {
        wipe(old.key);
      }
      content.barrierKeys = content.barrierKeys.filter(({ version }) => version === newest);
      return { result: newest, changes: [] };
    });
  }

  /** Plans a change of the keyring with a new slot, and zeroes what came with it for the keyring. */
  async #changeWith<T>({ psk }: SlotSeal, work: KeyringWork<T>): Promise<Plan<T>> {
    try {
      return await this.#change(work);
    } finally {
      wipe(psk);
    }
  }

  /** Plans a change of the keyring, and of slots with it. @param newKey The root key from then on; the plan owns it. */
  async #change<T>(work: KeyringWork<T>, newKey?: Buffer): Promise<Plan<T>> {
    const { content, ref } = await this.#readKeyring();
    try {
      const { result, changes } = await work(content);
      const keyring = keyringChange(this.#root.cluster, newKey ?? this.#root.key, content, ref);
      const barrier = loadKeyring(content);
      let taken = false;
      return {
        result,
        changes: [...changes, keyring],
        committed: () => {
          this.#records.useBarrier(barrier);
          if (newKey !== undefined) {
            this.#root.replace(newKey);
            taken = true;
          }
          this.onChange();
        },
        discard: () => {
          wipe(keyring.payload);
          if (newKey !== undefined && !taken) {
            wipe(newKey);
          }
        },
      };
    } finally {
      wipeKeyring(content);
    }
  }

  #readKeyring(): Promise<OpenedKeyring> {
    return readKeyring({ get: (table, path) => this.#records.stored(table, path) }, this.#root);
  }

  /** The slots that the keyring lists, as far as they are there and as it knows them. */
  async #slotsOf(content: KeyringMessage): Promise<readonly Slot[]> {
    return (await readSlots(this.#store)).filter((slot) => isListed(content, slot));
  }

  async #refOf(slot: Slot): Promise<RecordRef> {
    const record = await this.#records.stored(SLOT_TABLE, slotPath(slot));
    const stored = record && decodeSlot(record.value);
    if (record === undefined || stored === undefined || !equal(slotDigest(stored), slotDigest(slot))) {
      throw new BunkmsError("conflict");
    }
    return { revision: record.revision, version: NO_VERSION };
  }
}

/** What the keyring knows a slot by, and keeps for its seal. */
export function entryOf(slot: Slot, psk: Uint8Array): SlotEntry {
  return create(SlotEntrySchema, { id: slot.id, digest: slotDigest(slot), psk });
}

/** Whether this very slot is one of the keyring's. */
export function isListed(content: KeyringMessage, slot: Slot): boolean {
  const digest = slotDigest(slot);
  return content.slots.some((entry) => equal(entry.id, slot.id) && equal(entry.digest, digest));
}

/** The change that writes a slot's record. */
export function slotChange(slot: Slot, previous: RecordRef | null): Change {
  return {
    table: SLOT_TABLE,
    path: slotPath(slot),
    payload: encodeSlot(slot),
    previous,
    sealAs: (payload) => payload,
  };
}

function slotRemoval({ path, revision }: StoredRecord): Change {
  return { table: SLOT_TABLE, path, payload: null, previous: { revision, version: NO_VERSION } };
}

function findEntry(content: KeyringMessage, { id }: Slot): SlotEntry {
  return content.slots.find((entry) => equal(entry.id, id)) as SlotEntry;
}

function newestBarrier(content: KeyringMessage): number {
  return Math.max(...content.barrierKeys.map(({ version }) => version));
}

function findSlot(slots: readonly Slot[], id: string): Slot {
  const slot = slots.find((candidate) => hexOf(candidate.id) === id);
  if (slot === undefined) {
    throw noSuchSlot();
  }
  return slot;
}

function noSuchSlot(): BunkmsError {
  return new BunkmsError("not_found", "there is no seal slot of this id");
}

function isOf(slot: Slot, seal: WrappingSeal): boolean {
  return slot.kind === seal.kind && slot.keyName === seal.keyName;
}

function infoOf(slot: Slot): SlotInfo {
  const { id, kind, keyName, createdAt, parameters } = slot;
  return { id: hexOf(id), kind, keyName, createdAt, parameters };
}

function hexOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.length).toString("hex");
}
