import { BunkmsError } from "@bunkms/contract";
import { ownEntry } from "../audit/entry.ts";
import type { IssuedRootToken, IssuedShares, Opening, ShareRequest } from "../operations/seal-control.ts";
import { SealUnavailable } from "../seal/seal.ts";
import type { Plan } from "../vault/plan.ts";
import { plainSeal, type SlotSeal } from "../vault/root.ts";
import type { OwnSealKind } from "./configured-seals.ts";
import type { Entrance } from "./entrance.ts";
import type { KeeperParts } from "./keeper-parts.ts";
import type { Tried } from "./own-opening.ts";
import { asRefusals, openForCaller, timed } from "./seal-calls.ts";
import { issueShares, NO_SHARES } from "./shamir-slots.ts";
import { planRootToken, prepareVault, type Unsealed } from "./unseal.ts";

type VaultMakingParts = Pick<
  KeeperParts,
  "store" | "archive" | "seals" | "rootTokenTtl" | "clock" | "onMade" | "report"
>;

/** Each seal's own time is limited. */
const NEVER = new AbortController().signal;

/**
 * Makes the vault, with a slot for each seal that is named for it: all of them in one commit, after each has wrapped the
 * root key. Before that nothing is stored, and what was made is forgotten.
 */
export class VaultMaking {
  readonly #parts: VaultMakingParts;
  readonly #entrance: Entrance;

  constructor(parts: VaultMakingParts, entrance: Entrance) {
    this.#parts = parts;
    this.#entrance = entrance;
  }

  /**
   * For who asks for it, and is given shares and root token.
   * @throws BunkmsError `invalid_request`, `conflict`, `seal_unavailable`
   */
  async forCaller(
    request: ShareRequest,
  ): Promise<Opening<{ readonly issued: IssuedShares; readonly root: IssuedRootToken }>> {
    const { seals } = this.#parts;
    if (!seals.forNewVault.includes("shamir") && request.shares + request.threshold > 0) {
      throw new BunkmsError("invalid_request", "secret_shares: the settings name no shamir seal (BUNKMS_SEALS)");
    }
    return this.#entrance.alone(async () => {
      let issued = NO_SHARES;
      const prepared = this.#prepare(async (kind, cluster) => {
        if (kind !== "shamir") {
          return plainSeal(await openForCaller(seals, kind));
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
   * @throws what `prepareVault` throws but SealUnavailable.
   */
  async byItself(): Promise<Tried> {
    const { seals, clock, onMade, report } = this.#parts;
    const { openings, isTaken } = this.#entrance;
    if (isTaken) {
      return "overtaken";
    }
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
      if (this.#entrance.openings === openings) {
        report.warn({ seal: asked, err }, "a seal did not wrap the root key of the new vault");
      }
      return [asked];
    }
    const isOver = await this.#entrance.enter(openings, unsealed.vault.root, async () => {
      const token = this.#planToken(unsealed);
      return {
        unsealed,
        kind: this.#firstKind,
        entry: ownEntry("system.initialise", `token/${token.result.id}`, clock()),
        plan: token as Plan<unknown>,
        entered: () => onMade(token.result),
      };
    });
    return isOver ? [] : "overtaken";
  }

  get #firstKind(): string {
    return this.#parts.seals.forNewVault[0] as string;
  }

  #planToken(unsealed: Unsealed): ReturnType<typeof planRootToken> {
    const { rootTokenTtl, clock } = this.#parts;
    return planRootToken(unsealed, rootTokenTtl, clock());
  }

  #prepare(sealOf: (kind: OwnSealKind | "shamir", cluster: Buffer) => Promise<SlotSeal>): Promise<Unsealed> {
    const { store, archive, seals, clock } = this.#parts;
    const make = async (cluster: Buffer, made: SlotSeal[]): Promise<void> => {
      for (const kind of seals.forNewVault) {
        made.push(await sealOf(kind, cluster));
      }
    };
    return prepareVault(store, make, clock(), NEVER, archive);
  }
}
