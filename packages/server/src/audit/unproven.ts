import { ArchiveChanged } from "./archive-unfit.ts";
import type { FilledTile } from "./edges.ts";

/** What was made of archived entries whose hash was lost: worth nothing before it leads to a hash that is known. */
export class Unproven {
  readonly #bundles: number[] = [];
  /** Tiles that were made, but for those of leaves. */
  readonly tiles: FilledTile[] = [];
  /** Indices of tiles of leaves that were lost. To hold them until they are proven would take more memory than there may be. */
  readonly leaves = new Set<number>();

  /** Takes note of an archived bundle that was believed. */
  take(bundle: number): void {
    this.#bundles.push(bundle);
  }

  add(tile: FilledTile): void {
    if (tile.level === 0) {
      this.leaves.add(tile.index);
    } else {
      this.tiles.push(tile);
    }
  }

  /** Why it leads to another hash; undefined when all of it was the log's own. */
  refusal(): ArchiveChanged | undefined {
    return this.#bundles.length === 0 ? undefined : new ArchiveChanged(this.#bundles.toSorted((a, b) => a - b));
  }
}
