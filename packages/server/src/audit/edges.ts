import { subtreeRoot, TILE_WIDTH } from "@bunkms/tlog";

/** A tile as it is to be written. */
export interface FilledTile {
  readonly level: number;
  readonly index: number;
  readonly hashes: readonly Buffer[];
}

/**
 * The last tile of each level of a growing tree, as far as it is filled: 0 to 255 hashes each (C2SP tlog-tiles).
 * Immutable.
 */
export class Edges {
  static readonly EMPTY = new Edges([]);

  readonly #levels: readonly (readonly Buffer[])[];

  constructor(levels: readonly (readonly Buffer[])[]) {
    this.#levels = levels;
  }

  /** The hashes of the last, partial tile of a level. */
  level(level: number): readonly Buffer[] {
    return this.#levels[level] ?? [];
  }

  /**
   * Appends leaf hashes.
   * @param size Number of leaves before.
   * @param roots Of the tiles of leaves that these fill.
   * @returns The new edges, and the tiles to be written: all that are full now, and of the levels above the leaves also
   * partial ones, so that the edges are found again without reading the whole tree.
   */
  append(
    size: number,
    leaves: readonly Buffer[],
    roots: readonly Buffer[],
  ): { readonly edges: Edges; readonly tiles: readonly FilledTile[] } {
    const levels = this.#levels.map((row) => [...row]);
    const tiles = new Map<string, FilledTile>();
    const known = roots.values();
    const push = (level: number, place: number, hash: Buffer): void => {
      levels[level] ??= [];
      const row = levels[level] as Buffer[];
      row.push(hash);
      const index = Math.floor(place / TILE_WIDTH);
      if (row.length < TILE_WIDTH) {
        if (level > 0) {
          tiles.set(`${level}/${index}`, { level, index, hashes: row });
        }
        return;
      }
      tiles.set(`${level}/${index}`, { level, index, hashes: row });
      levels[level] = [];
      push(level + 1, index, level === 0 ? (known.next().value as Buffer) : subtreeRoot(row));
    };
    for (const [i, leaf] of leaves.entries()) {
      push(0, size + i, leaf);
    }
    return { edges: new Edges(levels), tiles: [...tiles.values()] };
  }
}
