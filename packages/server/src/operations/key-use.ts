import type { KeyObject } from "node:crypto";
import { BunkmsError } from "@bunkms/contract";
import type { OpenedVersion, Purpose } from "../crypto/key-type.ts";
import type { Direction } from "../vault/key-book.ts";
import type { KeyInfo } from "../vault/key-info.ts";
import { requireEnabled } from "../vault/key-life.ts";
import type { Plan } from "../vault/plan.ts";
import type { CallContext } from "./operation.ts";

/** Which key is to be used, and for what. */
interface UseOrder {
  readonly name: string;
  /** What the key must have been made for: one of these. */
  readonly purposes: readonly Purpose[];
  /** What else the key must be made for. @throws BunkmsError `wrong_key_usage` */
  readonly requires?: (key: KeyInfo) => void;
}

/** What came of a use, and the plan with which it is recorded. */
export interface Used<T> {
  readonly result: T;
  readonly plan: Plan<unknown>;
}

/**
 * The one way in which operations use a key: what it is for first, then its state; the state of a version when it is asked
 * for. The plan holds only while all that is still so, so that no use is recorded, nor answered, after the entry that
 * disabled the key; and it counts the uses once they are recorded.
 * @throws BunkmsError `not_found`, `wrong_key_usage`, `wrong_key_state`, and what `work` throws.
 */
export async function useKey<T>(
  context: CallContext,
  { name, purposes, requires }: UseOrder,
  work: (use: KeyUse) => T | Promise<T>,
): Promise<Used<T>> {
  const epoch = context.vault.keys.useEpoch(name);
  const key = await context.vault.keys.get(name);
  if (!purposes.includes(key.purpose)) {
    throw new BunkmsError("wrong_key_usage", `the key's purpose is ${key.purpose}, not ${purposes.join(" or ")}`);
  }
  requires?.(key);
  requireEnabled(key.state, "the key");
  const use = new KeyUse(context, key, epoch);
  return { result: await work(use), plan: use.plan() };
}

/** A key in use. */
export class KeyUse {
  readonly key: KeyInfo;
  readonly #context: Pick<CallContext, "vault" | "now">;
  readonly #epoch: string;
  readonly #uses = new Map<number, number>();
  readonly #openedToRead = new Map<number, OpenedVersion>();

  /** @param epoch The key's, from before it was read. */
  constructor(context: Pick<CallContext, "vault" | "now">, key: KeyInfo, epoch: string) {
    this.#context = context;
    this.#epoch = epoch;
    this.key = key;
  }

  /**
   * The number of the version that is used, once it may be used so.
   * @param asked 0: the latest.
   * @param times How many uses it is; 0: only the question.
   * @throws BunkmsError `unknown_version`, `wrong_key_state`
   */
  async version(asked: number, direction: Direction, times = 1): Promise<number> {
    const version = await this.#context.vault.keys.usableVersion(this.key, asked, direction);
    this.count(version, times);
    return version;
  }

  /** Counts uses of a version that was found otherwise. */
  count(version: number, times = 1): void {
    if (times > 0) {
      this.#uses.set(version, (this.#uses.get(version) ?? 0) + times);
    }
  }

  /** Opens a usable version's secret or private key. */
  open(version: number): Promise<OpenedVersion> {
    return this.#context.vault.keys.open(this.key, version);
  }

  /**
   * Opens a version for opening what it made, once it may be used so; at once if it was opened before in the same call, and nothing
   * became of the key meanwhile.
   * @throws BunkmsError `unknown_version`, `wrong_key_state`
   */
  openToRead(version: number): OpenedVersion | Promise<OpenedVersion> {
    return (this.#isCurrent() ? this.#openedToRead.get(version) : undefined) ?? this.#openToRead(version);
  }

  async #openToRead(version: number): Promise<OpenedVersion> {
    const opened = await this.open(await this.version(version, "open", 0));
    this.#openedToRead.set(version, opened);
    return opened;
  }

  /** A usable version's public key. */
  publicKey(version: number): Promise<KeyObject> {
    return this.#context.vault.keys.publicKey(this.key, version);
  }

  plan(): Plan<undefined> {
    const { vault, now } = this.#context;
    return {
      result: undefined,
      changes: [],
      holds: () => this.#isCurrent(),
      committed: () => {
        for (const [version, times] of this.#uses) {
          vault.usage.note(this.key.id, version, now, times);
        }
      },
      discard: () => {},
    };
  }

  /** Whether nothing happened to the key that could end its use. */
  #isCurrent(): boolean {
    return this.#context.vault.keys.useEpoch(this.key.name) === this.#epoch;
  }
}
