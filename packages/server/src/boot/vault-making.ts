import { BunkmsError } from "@bunkms/contract";
import { ownEntry } from "../audit/entry.ts";
import type { IssuedRootToken, IssuedShares, Opening, ShareRequest } from "../operations/seal-control.ts";
import { SealUnavailable } from "../seal/seal.ts";
import type { Plan } from "../vault/plan.ts";
import { plainSeal, type SlotSeal } from "../vault/root.ts";
import type { OwnSealKind } from "./configured-seals.ts";
import type { Entrance } from "./entrance.ts";
import type { KeeperParts } from "./keeper-parts.ts";
import { asRefusals, openForCaller, timed } from "./seal-calls.ts";
import { issueShares, NO_SHARES } from "./shamir-slots.ts";
import { planRootToken, prepareVault, type Unsealed } from "./unseal.ts";

type VaultMakingParts = Pick<
  KeeperParts,
  "store" | "archive" | "witness" | "seals" | "rootTokenTtl" | "clock" | "onMade" | "report"
>;

/** Each seal's own time is limited. */
const NEVER = new AbortController().signal;

/**
 * Makes the vault, with a slot for each seal that is named for it: all of them in one commit, after each has wrapped the
 * root key. Before that nothing is stored, and what was made is forgotten.
 *
 * Who makes it is settled by those seals. With shares among them it is who asks first, for somebody must take the shares.
 * Without, it is the server and nobody else: otherwise whoever reaches the port while a seal is waited for had the root token.
 */
export class VaultMaking {
  readonly #parts: VaultMakingParts;
  readonly #entrance: Entrance;

  constructor(parts: VaultMakingParts, entrance: Entrance) {
    this.#parts = parts;
    this.#entrance = entrance;
  }

  /** Why there is no vault yet, and who is to make it. */
  missing(): BunkmsError {
    return new BunkmsError("not_initialised", this.#isOwn ? `there is no vault yet: ${this.#ownMaking}` : undefined);
  }

  /**
   * For who asks for it, and is given shares and root token.
   * @throws BunkmsError `invalid_request`, `conflict`; `seal_unavailable`, also where the server makes it by itself.
   */
  async forCaller(
    request: ShareRequest,
  ): Promise<Opening<{ readonly issued: IssuedShares; readonly root: IssuedRootToken }>> {
    if (this.#isOwn) {
      throw new BunkmsError("seal_unavailable", this.#ownMaking);
    }
    return this.#entrance.alone(async () => {
      let issued = NO_SHARES;
      const prepared = this.#prepare(async (kind, cluster) => {
        if (kind !== "shamir") {
          return plainSeal(await openForCaller(this.#parts.seals, kind));
        }
        const made = await issueShares(cluster, request);
        issued = made.issued;
        return made.seal;
      });
      const unsealed = await asRefusals(prepared);
      const token = this.#planToken(unsealed);
      return {
        result: { issued, root: token.result },
        plan: this.#entrance.adopting(unsealed, this.#firstKind, token as Plan<unknown>),
        recorder: unsealed.committer,
      };
    });
  }

  /**
   * By the server's own doing, where all of the seals open by themselves.
   * @returns The seal that could not be reached, if one could not.
   * @throws what `prepareVault` throws but SealUnavailable.
   */
  async byItself(): Promise<readonly string[]> {
    const { seals, clock, onMade, report } = this.#parts;
    let asked = "";
    const sealOf = async (kind: OwnSealKind | "shamir"): Promise<SlotSeal> => {
      asked = kind;
      const seal = timed(await seals.open(kind as OwnSealKind));
      const wrap: typeof seal.wrap = (...call) => {
        asked = kind;
        return seal.wrap(...call);
      };
      return plainSeal({ ...seal, wrap });
    };
    let unsealed: Unsealed;
    try {
      unsealed = await this.#prepare(sealOf);
    } catch (err) {
      if (!(err instanceof SealUnavailable)) {
        throw err;
      }
      report.warn({ seal: asked, err }, "a seal did not wrap the root key of the new vault");
      return [asked];
    }
    await this.#entrance.enter(this.#entrance.openings, unsealed.vault.root, async () => {
      const token = this.#planToken(unsealed);
      return {
        unsealed,
        kind: this.#firstKind,
        entry: ownEntry("system.initialise", `token/${token.result.id}`, clock()),
        plan: token as Plan<unknown>,
        entered: () => onMade(token.result),
      };
    });
    return [];
  }

  /** Whether the server makes the vault by itself. */
  get #isOwn(): boolean {
    return !this.#parts.seals.forNewVault.includes("shamir");
  }

  get #ownMaking(): string {
    const kinds = this.#parts.seals.forNewVault.join(", ");
    return `the server makes the vault by itself, as soon as its seals can be reached: ${kinds}; its log says why it has not yet`;
  }

  get #firstKind(): string {
    return this.#parts.seals.forNewVault[0] as string;
  }

  #planToken(unsealed: Unsealed): ReturnType<typeof planRootToken> {
    const { rootTokenTtl, clock } = this.#parts;
    return planRootToken(unsealed, rootTokenTtl, clock());
  }

  #prepare(sealOf: (kind: OwnSealKind | "shamir", cluster: Buffer) => Promise<SlotSeal>): Promise<Unsealed> {
    const { store, archive, witness, seals, clock } = this.#parts;
    // Again: a disk may have been mounted since the start, which waits for seals, or for who asks for shares.
    witness?.refuseForNew();
    const make = async (cluster: Buffer, made: SlotSeal[]): Promise<void> => {
      for (const kind of seals.forNewVault) {
        made.push(await sealOf(kind, cluster));
      }
    };
    return prepareVault(store, make, clock(), NEVER, archive);
  }
}
