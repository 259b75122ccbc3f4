import { BunkmsError } from "@bunkms/contract";
import { ownEntry } from "../audit/entry.ts";
import { collectForgottenKeys } from "../crypto/forget-keys.ts";
import { forgetKey } from "../crypto/key-types.ts";
import type { Services } from "../operations/operation.ts";
import type {
  IssuedRootToken,
  IssuedShares,
  Opening,
  SealControl,
  SealState,
  SealStatusInfo,
  ShareRequest,
  SlotControl,
} from "../operations/seal-control.ts";
import type { Custody, OpenVault } from "../pipeline/custody.ts";
import { SealFailure } from "../seal/seal.ts";
import type { Plan } from "../vault/plan.ts";
import { type OpenedRoot, openRoot, readSlots } from "../vault/root.ts";
import type { Slot } from "../vault/slot.ts";
import { isInitialised } from "../vault/vault.ts";
import type { OwnSealKind } from "./configured-seals.ts";
import { DeferredEntries } from "./deferred-entries.ts";
import { Entrance } from "./entrance.ts";
import type { KeeperParts } from "./keeper-parts.ts";
import { OwnOpening } from "./own-opening.ts";
import { SEAL_TIMEOUT_MS, withinTime } from "./seal-calls.ts";
import { ShareDesk } from "./share-desk.ts";
import { SlotSeals } from "./slot-seals.ts";
import { openSoundVault } from "./sound-vault.ts";
import { planRootToken, type Unsealed } from "./unseal.ts";
import { VaultCare } from "./vault-care.ts";
import { VaultMaking } from "./vault-making.ts";
import { asVaultRefusal } from "./vault-refusal.ts";

interface Opened {
  readonly unsealed: Unsealed;
  readonly vault: OpenVault;
  /** The seal that opened it. */
  readonly kind: string;
  readonly care: VaultCare;
}

const COLLECT_AFTER_MS = 50;
/** A root token that holders of shares made lives so long, in seconds. */
const QUORUM_TOKEN_TTL = 3_600;

/**
 * Keeps the vault: open, sealed, waiting for a seal that is down, or not there yet. It is the one place where a vault is
 * opened or sealed. It never makes a vault where there is one, and never takes another way in than the slots.
 */
export class Keeper implements SealControl, Custody {
  readonly #parts: KeeperParts;
  readonly #desk: ShareDesk;
  readonly servicesWhileSealed: Services;
  readonly slots: SlotControl;
  readonly #deferred: DeferredEntries;
  readonly #entrance: Entrance;
  readonly #making: VaultMaking;
  readonly #byItself: OwnOpening;
  #isInitialised = false;
  #slots: readonly Slot[] = [];
  #opened: Opened | undefined;
  /** How often a slot or the root key was changed. */
  #slotChanges = 0;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
    this.#desk = new ShareDesk();
    this.slots = new SlotSeals(
      parts.seals,
      () => this.#opened && { cluster: this.#opened.unsealed.vault.root.cluster, checks: this.#opened.care.checks },
    );
    this.#deferred = new DeferredEntries(parts.clock);
    this.#entrance = new Entrance((unsealed, kind) => this.#adopt(unsealed, kind));
    this.#making = new VaultMaking(parts, this.#entrance);
    this.#byItself = new OwnOpening({
      seals: parts.seals,
      find: () => this.#find(),
      make: () => this.#making.byItself(),
      openWith: (kind) => this.#openWith(kind),
      isOpen: () => this.#opened !== undefined,
      report: parts.report,
    });
    this.servicesWhileSealed = parts.servicesWhileSealed(this);
  }

  /**
   * Opens the vault with the first of the configured seals that can, or makes a new one where there is none and no
   * shares are to be handed out for it. Seals that cannot be reached are waited for, after this.
   * @throws SealFailure when no configured seal opens a slot and there are no shares to wait for, or when there is no
   * seal for a new vault; Error when a witness file remembers one; what `openVault` and `prepareVault` throw but
   * SealUnavailable.
   */
  async start(): Promise<void> {
    const { seals, witness } = this.#parts;
    const { forNewVault } = seals;
    if ((await this.#find()) === undefined) {
      witness?.refuseForNew();
      if (forNewVault.length === 0) {
        throw new SealFailure(
          "there is no vault yet, and no seal for it: give a master key, or name seals with BUNKMS_SEALS",
        );
      }
      if (forNewVault.includes("shamir")) {
        return;
      }
    }
    await this.#byItself.begin();
  }

  /** Ends waiting, periodic work, checks and resealing, and lets go of the seals. The vault stays as it is. */
  async close(): Promise<void> {
    this.#byItself.close();
    await this.#entrance.close();
    await this.#parts.beforeSeal();
    await this.#opened?.care.stop();
    await this.#opened?.care.signAndRemember();
    this.#desk.forgetAll();
    await this.#parts.seals.close();
  }

  get current(): OpenVault | undefined {
    return this.#opened?.vault;
  }

  open(): OpenVault {
    if (this.#opened === undefined) {
      throw this.#closedReason();
    }
    return this.#opened.vault;
  }

  defer(entry: Buffer, isRefusal: boolean): void {
    this.#deferred.add(entry, isRefusal);
  }

  /** The vault that is open. */
  get unsealed(): Unsealed | undefined {
    return this.#opened?.unsealed;
  }

  /** Why no vault is open, and what is waited for; undefined when one is. */
  notReady(): BunkmsError | undefined {
    if (this.#opened !== undefined) {
      return undefined;
    }
    if (!this.#byItself.isWaiting) {
      return this.#closedReason();
    }
    const waits = `waits for a seal to be reached: ${this.#byItself.unavailable.join(", ")}`;
    return this.#isInitialised
      ? new BunkmsError("sealed", `the vault is sealed, and ${waits}`)
      : new BunkmsError("not_initialised", `there is no vault yet, and the making of it ${waits}`);
  }

  status(): SealStatusInfo {
    const failing = this.#opened?.care.checks.failing ?? this.#byItself.unavailable;
    const { threshold, shares, progress } = this.#desk.progress;
    return {
      initialised: this.#isInitialised,
      state: this.#opened === undefined ? this.#closedState() : failing.length === 0 ? "unsealed" : "degraded",
      kind: this.#opened?.kind ?? this.#awaitedKind(),
      threshold,
      shares,
      progress,
      failing,
      cluster: this.#opened?.unsealed.vault.root.cluster.toString("hex") ?? "",
    };
  }

  async initialise(
    request: ShareRequest,
  ): Promise<Opening<{ readonly issued: IssuedShares; readonly root: IssuedRootToken }>> {
    if (this.#isInitialised) {
      throw new BunkmsError("already_initialised");
    }
    return this.#making.forCaller(request);
  }

  async offer(share: string, source: string): Promise<Opening<SealStatusInfo> | undefined> {
    if (!this.#isInitialised) {
      throw new BunkmsError("not_initialised");
    }
    if (this.#opened !== undefined) {
      await this.#useListed(this.#opened);
      this.#desk.confirm(share, source);
      return undefined;
    }
    await this.#readSlots();
    if (this.#entrance.isTaken) {
      // Before the share is taken, for the last one ends the round.
      throw new BunkmsError("conflict");
    }
    // Looked at anew: somebody may have opened it meanwhile.
    const complete = this.#opened === undefined ? this.#desk.offer(share, source) : undefined;
    if (complete === undefined) {
      return undefined;
    }
    return this.#entrance.alone(async () => {
      const opened = await complete.open(AbortSignal.timeout(SEAL_TIMEOUT_MS)).catch(asVaultRefusal);
      const unsealed = await this.#openSound(opened).catch(asVaultRefusal);
      const cluster = unsealed.vault.root.cluster.toString("hex");
      const result = { ...this.status(), state: "unsealed" as SealState, kind: "shamir", progress: 0, cluster };
      return { result, plan: this.#entrance.adopting(unsealed, "shamir"), recorder: unsealed.committer };
    });
  }

  async reset(share: string, source: string): Promise<void> {
    if (!this.#isInitialised) {
      throw new BunkmsError("not_initialised");
    }
    this.#desk.reset(share, source);
  }

  async seal(): Promise<Plan<undefined>> {
    await this.#parts.beforeSeal();
    const opened = this.#opened;
    await opened?.care.remember();
    return {
      result: undefined,
      changes: [],
      isLast: true,
      committed: () => {
        if (opened !== undefined && this.#opened === opened) {
          this.#forget(opened);
        }
      },
      discard: () => {
        if (opened !== undefined && this.#opened === opened) {
          // It was not recorded, so it did not happen.
          this.#parts.onOpen(opened.unsealed);
        }
      },
    };
  }

  async offerForRootToken(
    attempt: string,
    share: string,
    source: string,
  ): Promise<{
    readonly attempt: string;
    readonly progress: number;
    readonly required: number;
    readonly issued?: { readonly root: IssuedRootToken; readonly plan: Plan<unknown> };
  }> {
    if (this.#opened === undefined) {
      throw this.#closedReason();
    }
    const opened = this.#opened;
    // Before the list is read, so that no change of it goes unnoticed.
    const slotChanges = this.#slotChanges;
    await this.#useListed(opened);
    const { isComplete, ...progress } = this.#desk.offerFor(attempt, share, source);
    if (!isComplete) {
      return progress;
    }
    const token = planRootToken(opened.unsealed, QUORUM_TOKEN_TTL, this.#parts.clock());
    // Not by shares of a slot that was removed or renewed just before.
    const plan = { ...token, holds: () => this.#slotChanges === slotChanges } as Plan<unknown>;
    return { ...progress, issued: { root: token.result, plan } };
  }

  async #useListed({ unsealed }: Opened): Promise<void> {
    const { root, slots } = unsealed.vault;
    this.#desk.useListed(root.cluster, await slots.list());
  }

  continueResealing(): void {
    this.#opened?.care.reseal.start();
  }

  resealing(): { readonly inProgress: boolean; readonly resealed: number; readonly percent: number } {
    return this.#opened?.care.reseal.progress ?? { inProgress: false, resealed: 0, percent: 0 };
  }

  #closedState(): SealState {
    if (this.#byItself.isWaiting) {
      return "waiting";
    }
    return this.#isInitialised ? "sealed" : "uninitialised";
  }

  #closedReason(): BunkmsError {
    return this.#isInitialised ? new BunkmsError("sealed") : this.#making.missing();
  }

  /** What a status says it waits for. */
  #awaitedKind(): string {
    if (this.#byItself.isWaiting) {
      return this.#byItself.unavailable[0] ?? "";
    }
    const kinds = this.#isInitialised ? this.#slots.map(({ kind }) => kind) : this.#parts.seals.forNewVault;
    return kinds.includes("shamir") ? "shamir" : (kinds[0] ?? "");
  }

  #adopt(unsealed: Unsealed, kind: string): void {
    const { services, report } = this.#parts;
    const { committer, vault } = unsealed;
    this.#byItself.end();
    this.#isInitialised = true;
    const care = new VaultCare(unsealed, this.#parts);
    this.#opened = {
      unsealed,
      vault: { services: services(unsealed), committer, auditKey: vault.auditKey },
      kind,
      care,
    };
    this.#desk.forgetAll();
    vault.slots.onChange = () => {
      this.#slotChanges += 1;
      this.#readSlotsSoon();
    };
    this.#readSlotsSoon();
    report.info({ seal: kind }, "the vault is open");
    this.#parts.onOpen(unsealed);
    care.start();
    // What came while it was being opened, and before there was a vault.
    this.#deferred.record(unsealed).catch((err) => report.error({ err }, "deferred entries were not written"));
  }

  /** Seals: from now on nothing is answered and nothing written, and the keys are on their way out of memory. */
  #forget({ unsealed, care }: Opened): void {
    this.#opened = undefined;
    const stopped = care.stopSealed();
    // Again: another call to seal, which failed, may have begun it anew.
    void this.#parts.beforeSeal();
    unsealed.committer.close(new BunkmsError("sealed"));
    unsealed.vault.root.wipe();
    this.#desk.forgetAll();
    this.#readSlotsSoon();
    // Once the answer that tells of it has left, and again once what went on around the vault has ended: with them the last that held it.
    const collectSoon = () => setTimeout(collectKeys, COLLECT_AFTER_MS).unref();
    collectSoon();
    void stopped.then(collectSoon);
    this.#parts.report.info({}, "the vault is sealed");
  }

  /** The vault's slots; undefined while there is no vault. @throws StoreUnavailable */
  async #find(): Promise<readonly Slot[] | undefined> {
    if (!this.#isInitialised && (await isInitialised(this.#parts.store))) {
      await this.#readSlots();
      this.#isInitialised = true;
      if (this.#byItself.isWaiting) {
        this.#parts.report.warn(
          {},
          "the vault was made though its commit seemed to fail, and its root token was not shown: " +
            "`bunkms server new-root-token` makes one while the server is stopped",
        );
      }
    }
    return this.#isInitialised ? this.#slots : undefined;
  }

  /** Slots change while the vault is open. @throws StoreUnavailable */
  async #readSlots(): Promise<void> {
    this.#slots = await readSlots(this.#parts.store);
    this.#desk.use(this.#slots);
  }

  /** So that the status knows how many shares are needed; whoever offers one has the slots read again. */
  #readSlotsSoon(): void {
    this.#readSlots().catch((err) => this.#parts.report.error({ err }, "the seal slots were not read"));
  }

  /** @returns False when shares are just opening it, which may fail yet. */
  async #openWith(kind: OwnSealKind): Promise<boolean> {
    const { openings } = this.#entrance;
    const signal = AbortSignal.timeout(SEAL_TIMEOUT_MS);
    const opened: OpenedRoot = await withinTime(
      (async () => openRoot(this.#slots, await this.#parts.seals.open(kind), signal))(),
      signal,
      kind,
    );
    return this.#entrance.enter(openings, opened.root, async () => ({
      unsealed: await this.#openSound(opened),
      kind,
      entry: ownEntry("system.unseal", `slot/${opened.slot.id.toString("hex")}`, this.#parts.clock()),
    }));
  }

  /** Opens the vault and records what was deferred, and that it is an older one if so. @throws what `openSoundVault` throws. */
  async #openSound(opened: OpenedRoot): Promise<Unsealed> {
    const { store, clock } = this.#parts;
    const { unsealed, accepted } = await openSoundVault(store, opened, this.#parts, clock());
    try {
      await this.#deferred.record(unsealed, accepted);
      return unsealed;
    } catch (error) {
      unsealed.vault.root.wipe();
      throw error;
    }
  }
}

function collectKeys(): void {
  forgetKey();
  collectForgottenKeys();
}
