import { type Checkpoint, parseCheckpoint, TILE_WIDTH, treeRoot } from "@bunkms/tlog";
import { ArchiveUnfit } from "./archive-unfit.ts";
import { Edges } from "./edges.ts";
import { AuditLog, type Batch, type LogEnd } from "./log.ts";
import { AuditTree, type TreeStore } from "./tree.ts";
import { Unproven } from "./unproven.ts";

/** The stored log is not what was signed, or not in itself whole. */
export class LogDamaged extends Error {
  constructor(what: string) {
    super(what);
    this.name = "LogDamaged";
  }
}

/**
 * Finds where the stored log ends: computes the tree's edges anew from tiles and entries, and compares them with what the
 * last batch says.
 * @throws LogDamaged; ArchiveUnfit when tiles were lost that are made again from the archive, and it does not have the entries.
 */
export async function restoreEnd(store: TreeStore, { frontier, bytes }: Batch): Promise<LogEnd> {
  const log = new AuditLog();
  log.adopt({ frontier, edges: Edges.EMPTY, bytes });
  // Tiles that were lost are made again, of pruned entries from the archive; none is kept that does not lead to the root. Those of
  // leaves are made twice.
  const unproven = new Unproven();
  const tree = new AuditTree(store, log, unproven);
  const levels: (readonly Buffer[])[] = [];
  try {
    for (let level = 0, hashes = frontier.size; hashes > 0; level++, hashes = Math.floor(hashes / TILE_WIDTH)) {
      const index = Math.floor(hashes / TILE_WIDTH);
      const width = hashes % TILE_WIDTH;
      if (width === 0) {
        levels.push([]);
      } else {
        // Partial tiles of leaves are not stored.
        levels.push(await (level === 0 ? tree.derive(0, index, width) : tree.tile(level, index, width)));
      }
    }
  } catch (error) {
    if (error instanceof RangeError && !(error instanceof ArchiveUnfit)) {
      throw new LogDamaged(error.message);
    }
    throw error;
  }
  const end = { frontier, edges: new Edges(levels), bytes };
  log.adopt(end);
  if (!(await treeRoot(frontier.size, tree.nodes(frontier.size))).equals(frontier.root())) {
    throw unproven.refusal() ?? new LogDamaged("its entries and its last batch do not agree");
  }
  for (const tile of unproven.tiles) {
    await store.keepTile(tile);
  }
  const proven = new AuditTree(store, log);
  for (const index of unproven.leaves) {
    await proven.tile(0, index, TILE_WIDTH);
  }
  return end;
}

/**
 * Compares a log with the last checkpoint that was signed for it.
 * @param text The checkpoint's text, whose signature was verified.
 * @returns What was signed.
 * @throws LogDamaged when the checkpoint is of more entries than there are, or of others.
 */
export async function checkAgainst(text: string, tree: AuditTree, { frontier }: LogEnd): Promise<Checkpoint> {
  const signed = parseCheckpoint(text);
  if (signed.size > frontier.size) {
    throw new LogDamaged(`it has ${frontier.size} entries, and a checkpoint over ${signed.size} was signed`);
  }
  if (!(await treeRoot(signed.size, tree.nodes(signed.size))).equals(signed.root)) {
    throw new LogDamaged(`its first ${signed.size} entries are not those that a checkpoint was signed over`);
  }
  return signed;
}
