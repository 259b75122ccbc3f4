import { TILE_WIDTH, type TileAddress, tileWidth } from "./tile.ts";

/** The partial tiles of a tree, the highest level first: what its root is made of. A level that ends in a full tile has none. */
export function edgeTiles(size: number): readonly (TileAddress & { readonly level: number })[] {
  const edges: (TileAddress & { readonly level: number })[] = [];
  for (let level = 0; tileWidth(level, 0, size) > 0; level++) {
    const index = Math.floor(size / TILE_WIDTH ** (level + 1));
    const width = tileWidth(level, index, size);
    if (width > 0) {
      edges.unshift({ level, index, width });
    }
  }
  return edges;
}

/**
 * All tiles and bundles of a tree: its partial tiles first, then every other tile after the one that holds its root, and
 * each bundle after its tile of level 0. In the order of the entries.
 * @param from What covers nothing but entries before this one is left out.
 */
export function* tilesOf(size: number, from = 0): Generator<TileAddress> {
  const edges = edgeTiles(size);
  yield* edges;
  for (const edge of edges) {
    yield* below(edge, from);
  }
}

function* below(
  { level, index, width }: TileAddress & { readonly level: number },
  from: number,
): Generator<TileAddress> {
  if (level === 0) {
    yield { level: "entries", index, width };
    return;
  }
  const leaves = TILE_WIDTH ** level;
  for (let child = index * TILE_WIDTH; child < index * TILE_WIDTH + width; child++) {
    if ((child + 1) * leaves > from) {
      const tile = { level: level - 1, index: child, width: TILE_WIDTH };
      yield tile;
      yield* below(tile, from);
    }
  }
}
