import type { Plan } from "../vault/plan.ts";
import type { SlotSeal, WrappingSeal } from "../vault/root.ts";
import type { SlotInfo } from "../vault/seal-slots.ts";

/** Where an entry is made durable, and a plan's changes with it. */
export interface Recorder {
  /** @returns The entry's index in the log. */
  submit(entry: Buffer, plan?: Plan<unknown>, wantsReceipt?: boolean): Promise<number>;
}

/** What a call did that had no open vault before, and where it is recorded: then, and only then, it counts. */
export interface Opening<T> {
  readonly result: T;
  readonly plan: Plan<unknown>;
  readonly recorder: Recorder;
}

/** Of shares: how many there are to be, how many open the vault, and to whom each is encrypted, if to anybody. */
export interface ShareRequest {
  readonly shares: number;
  readonly threshold: number;
  /** One age recipient for each share, or none. */
  readonly recipients: readonly string[];
}

/** Shares as they leave: shown once. */
export interface IssuedShares {
  /** Their binary form; empty where each is encrypted to its recipient. */
  readonly raw: readonly Buffer[];
  /** Text that checks itself, or age files. */
  readonly texts: readonly string[];
}

export type SealState = "uninitialised" | "sealed" | "waiting" | "unsealed" | "degraded";

/** What anybody may know. */
export interface SealStatusInfo {
  /** Whether there is a vault. */
  readonly initialised: boolean;
  readonly state: SealState;
  /** The seal that opened the vault or made it, or the one that is waited for. */
  readonly kind: string;
  readonly threshold: number;
  readonly shares: number;
  readonly progress: number;
  readonly failing: readonly string[];
  /** Empty while it is sealed. */
  readonly cluster: string;
}

/** A root token that was made, with its expiry in milliseconds since 1970; 0: none. */
export interface IssuedRootToken {
  readonly token: string;
  readonly expiresAt: number;
}

/** A seal for a slot to be made. */
export interface NewSeal {
  readonly seal: SlotSeal;
  readonly issued: IssuedShares;
  /** To be called once the slot is there. */
  made(): void;
}

/** What slots need of the seals that the server has. */
export interface SlotControl {
  /**
   * The seal that wraps for a slot again.
   * @param psk What the keyring keeps for it; lent until the seal has wrapped.
   * @throws BunkmsError `seal_not_configured`, `seal_unavailable`
   */
  sealFor(slot: Pick<SlotInfo, "kind" | "parameters">, psk: Uint8Array): Promise<WrappingSeal>;
  /** A seal for a new slot of this kind, and its shares where it has some. @throws as `sealFor`; `invalid_request` */
  newSeal(kind: string, request: ShareRequest): Promise<NewSeal>;
  /** The same for a slot that is wrapped anew, with the newest wrapping key of its seal. @throws as `newSeal` */
  renewedSeal(kind: string, request: ShareRequest): Promise<NewSeal>;
  /** What is known of a slot: `opens`, `fails`, `unchecked`, `not_configured` or `shares`. */
  stateOf(slot: SlotInfo): string;
  /** How many shares a slot has and needs; 0 where it has none. */
  shareCounts(slot: SlotInfo): { readonly shares: number; readonly threshold: number };
  /** Finds out anew, soon, which slots their seals open. */
  checkSoon(): void;
}

/** Sealing and unsealing, for the operations that do it. */
export interface SealControl {
  status(): SealStatusInfo;
  /**
   * Makes the vault, where shares are among its seals.
   * @throws BunkmsError `already_initialised`, `invalid_request`, `conflict`; `seal_unavailable`, also where they are not.
   */
  initialise(
    request: ShareRequest,
  ): Promise<Opening<{ readonly issued: IssuedShares; readonly root: IssuedRootToken }>>;
  /**
   * Takes a share.
   * @returns What opens the vault, if it was the last one, with the status from then on.
   * @throws BunkmsError `invalid_share`, `too_many_requests`, `not_initialised`
   */
  offer(share: string, source: string): Promise<Opening<SealStatusInfo> | undefined>;
  /** Forgets the shares that were offered for the set of this one. @throws as `offer` */
  reset(share: string, source: string): Promise<void>;
  /** Seals the vault once the plan is committed. */
  seal(): Promise<Plan<undefined>>;
  /** Takes a share for a new root token. @throws as `offer`; `invalid_request` for an attempt that is over or none. */
  offerForRootToken(
    attempt: string,
    share: string,
    source: string,
  ): Promise<{
    readonly attempt: string;
    readonly progress: number;
    readonly required: number;
    readonly issued?: { readonly root: IssuedRootToken; readonly plan: Plan<unknown> };
  }>;
  readonly slots: SlotControl;
  /** Begins or goes on with sealing records anew, in the background. */
  continueResealing(): void;
  /** How far that is. */
  resealing(): { readonly inProgress: boolean; readonly resealed: number; readonly percent: number };
}
