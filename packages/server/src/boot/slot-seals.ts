import { BunkmsError } from "@bunkms/contract";
import type { NewSeal, ShareRequest, SlotControl } from "../operations/seal-control.ts";
import type { Seal } from "../seal/seal.ts";
import { SHAMIR_KIND, shamirSeal } from "../seal/shamir.ts";
import { plainSeal, type WrappingSeal } from "../vault/root.ts";
import type { SlotInfo } from "../vault/seal-slots.ts";
import type { OwnSealKind, SealSource } from "./configured-seals.ts";
import { asRefusals, limited, openForCaller } from "./seal-calls.ts";
import { issueShares, NO_SHARES, shamirCounts } from "./shamir-slots.ts";
import type { SlotChecks } from "./slot-checks.ts";

/** Of the vault that is open. */
interface OpenSlots {
  readonly cluster: Buffer;
  readonly checks: SlotChecks;
}

/** Makes seals for slots, of those that the server has settings for and of shares. */
export class SlotSeals implements SlotControl {
  readonly #seals: SealSource;
  readonly #opened: () => OpenSlots | undefined;

  /** @param opened Undefined when no vault is open. */
  constructor(seals: SealSource, opened: () => OpenSlots | undefined) {
    this.#seals = seals;
    this.#opened = opened;
  }

  async sealFor(slot: Pick<SlotInfo, "kind" | "parameters">, psk: Uint8Array): Promise<WrappingSeal> {
    return slot.kind === SHAMIR_KIND ? shamirSeal(slot.parameters, psk) : openForCaller(this.#seals, slot.kind);
  }

  newSeal(kind: string, request: ShareRequest): Promise<NewSeal> {
    return this.#make(kind, request, (own) => this.#seals.open(own));
  }

  renewedSeal(kind: string, request: ShareRequest): Promise<NewSeal> {
    return this.#make(kind, request, (own) => this.#seals.renew(own));
  }

  stateOf({ id, kind }: SlotInfo): string {
    if (kind === SHAMIR_KIND) {
      return "shares";
    }
    return this.#seals.has(kind) ? (this.#opened()?.checks.stateOf(id) ?? "unchecked") : "not_configured";
  }

  shareCounts({ kind, parameters }: SlotInfo): { readonly shares: number; readonly threshold: number } {
    return kind === SHAMIR_KIND ? shamirCounts(parameters) : { shares: 0, threshold: 0 };
  }

  checkSoon(): void {
    this.#opened()?.checks.soon();
  }

  async #make(kind: string, request: ShareRequest, open: (kind: OwnSealKind) => Promise<Seal>): Promise<NewSeal> {
    if (kind === SHAMIR_KIND) {
      const opened = this.#opened();
      if (opened === undefined) {
        throw new BunkmsError("sealed");
      }
      return { ...(await issueShares(opened.cluster, request)), made: () => {} };
    }
    if (request.shares + request.threshold + request.recipients.length > 0) {
      throw new BunkmsError("invalid_request", "secret_shares: only a shamir slot has shares");
    }
    const seals = this.#seals;
    if (!seals.has(kind)) {
      throw new BunkmsError("seal_not_configured");
    }
    const seal = await asRefusals(open(kind));
    return { seal: plainSeal(limited(seal)), issued: NO_SHARES, made: () => seals.adopt(kind, seal) };
  }
}
