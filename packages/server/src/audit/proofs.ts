import { formatTlogProof, treeRoot } from "@bunkms/tlog";
import type { Checkpoints, SignedCheckpoint } from "./checkpoints.ts";
import type { AuditLog } from "./log.ts";
import type { AuditTree } from "./tree.ts";

/** What proofs are made of. */
interface ProofParts {
  readonly log: AuditLog;
  readonly tree: AuditTree;
  readonly checkpoints: Checkpoints;
  /** Signs a checkpoint over all that is in the log. */
  readonly signNow: () => Promise<void>;
}

/** What the log shows to those who verify it. */
export class AuditProofs {
  readonly #parts: ProofParts;

  constructor(parts: ProofParts) {
    this.#parts = parts;
  }

  /** The newest checkpoint; undefined in a log that has none yet. */
  checkpoint(): SignedCheckpoint | undefined {
    return this.#parts.checkpoints.latest;
  }

  /** The newest one that enough witnesses have cosigned; undefined without a policy, and before the first. */
  cosigned(): SignedCheckpoint | undefined {
    return this.#parts.checkpoints.cosigned;
  }

  /** The one that verifiers are shown. */
  published(): SignedCheckpoint | undefined {
    return this.#parts.checkpoints.published;
  }

  /** The tree as it is on disk. */
  head(): { readonly size: number; readonly root: Buffer } {
    const { frontier } = this.#parts.log;
    return { size: frontier.size, root: frontier.root() };
  }

  /** @throws RangeError when the log does not have it. */
  tile(level: number, index: number, width: number): Promise<readonly Buffer[]> {
    return this.#parts.tree.tile(level, index, width);
  }

  /** @throws RangeError when the log does not have it. */
  bundle(index: number, width: number): Promise<Buffer> {
    return this.#parts.tree.bundle(index, width);
  }

  /** @throws RangeError when the log does not have them. */
  entries(first: number, end: number): Promise<readonly Buffer[]> {
    return this.#parts.tree.entries(first, end);
  }

  /** The entries of an archived bundle, if they are those of the log. @throws RangeError; Error when it cannot be read. */
  archived(index: number): Promise<readonly Buffer[]> {
    return this.#parts.tree.archived(index);
  }

  /** Root of the tree of the first entries. @throws RangeError */
  root(size: number): Promise<Buffer> {
    return treeRoot(size, this.#parts.tree.nodes(size));
  }

  /** @throws RangeError when the log does not have it. */
  async entry(index: number): Promise<Buffer> {
    if (index >= this.#parts.log.frontier.size) {
      throw new RangeError("there is no such entry");
    }
    return (await this.#parts.tree.entries(index, index + 1))[0] as Buffer;
  }

  /**
   * The proof that the log has an entry (C2SP tlog-proof), with the entry as its extra data, by the checkpoint that witnesses
   * have cosigned when it covers the entry. Reads as many tiles as the tree is high.
   * @throws RangeError when there is no such entry; StoreUnavailable.
   */
  async receipt(index: number, entry: Buffer): Promise<string> {
    const { checkpoints, tree, signNow } = this.#parts;
    if (checkpoints.size <= index) {
      await signNow();
    }
    const { published, latest } = checkpoints;
    const { size = 0, note = "" } = (published !== undefined && published.size > index ? published : latest) ?? {};
    return formatTlogProof({ extra: entry, index, path: await tree.proveInclusion(index, size), checkpoint: note });
  }

  /** @param to At most the log's size. @throws RangeError when the sizes are the wrong way round, or a part is lost. */
  consistency(from: number, to: number): Promise<readonly Buffer[]> {
    return this.#parts.tree.proveConsistency(from, to);
  }
}
