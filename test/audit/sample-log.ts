import { createHash, generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  type Checkpoint,
  COSIGNATURE_ED25519,
  COSIGNATURE_ML_DSA_44,
  cosignCheckpoint,
  ED25519,
  encodeBundle,
  Frontier,
  formatCheckpoint,
  formatNote,
  HASH_BYTES,
  leafHash,
  type NoteKey,
  nodesOfTiles,
  noteKey,
  type ReadNode,
  signNote,
  subtreeRoot,
  TILE_WIDTH,
  tilePath,
} from "@bunkms/tlog";

/** A key pair that signs notes or cosigns checkpoints. */
export interface Signer {
  readonly key: NoteKey;
  readonly privateKey: KeyObject;
}

/** @param type ED25519, COSIGNATURE_ED25519 or COSIGNATURE_ML_DSA_44. */
export function makeSigner(name: string, type: number): Signer {
  const { publicKey, privateKey } =
    type === COSIGNATURE_ML_DSA_44 ? generateKeyPairSync("ml-dsa-44") : generateKeyPairSync("ed25519");
  return { key: noteKey(name, type, publicKey), privateKey };
}

const LONG_ENTRY = 255;

/** What both sides put into their logs: the first is empty, one as long as a bundle can hold. See go/cmd/log/write.go. */
export function sampleEntry(index: number): Buffer {
  const length = index === LONG_ENTRY ? 0xffff : (index * 31) % 97;
  return Buffer.alloc(length, createHash("sha256").update(`entry ${index}`).digest());
}

/** SHA-256 of all entries, each after its length as four bytes, in hexadecimal. */
export function digestEntries(entries: Iterable<Buffer>): string {
  const digest = createHash("sha256");
  const length = Buffer.alloc(4);
  for (const entry of entries) {
    length.writeUInt32BE(entry.length);
    digest.update(length).update(entry);
  }
  return digest.digest("hex");
}

/** A log of sample entries in memory: the hashes of all its tiles, by their levels. */
export interface SampleLog {
  readonly checkpoint: Checkpoint;
  readonly rows: readonly (readonly Buffer[])[];
  readonly read: ReadNode;
}

/** The hashes of the first `size` sample entries, to be cut to the sizes of logs. */
export function sampleLeaves(size: number): readonly Buffer[] {
  return Array.from({ length: size }, (_, i) => leafHash(sampleEntry(i)));
}

export function sampleLog(origin: string, leaves: readonly Buffer[]): SampleLog {
  const rows: (readonly Buffer[])[] = [leaves];
  for (let below = leaves; below.length >= TILE_WIDTH; below = rows.at(-1) as readonly Buffer[]) {
    const count = Math.floor(below.length / TILE_WIDTH);
    rows.push(Array.from({ length: count }, (_, i) => subtreeRoot(tileOf(below, i))));
  }
  const size = leaves.length;
  return {
    checkpoint: { origin, size, root: Frontier.EMPTY.append(leaves).root() },
    rows,
    read: nodesOfTiles(size, async (level, index, width) => tileOf(rows[level] ?? [], index).slice(0, width)),
  };
}

/** A log's checkpoint, signed by its log and its witnesses. */
export function signedCheckpoint(checkpoint: Checkpoint, log: Signer, witnesses: readonly Signer[]): string {
  const text = formatCheckpoint(checkpoint);
  const now = Math.floor(Date.now() / 1000);
  return formatNote(text, [
    signNote(text, log.key, log.privateKey),
    ...witnesses.map(({ key, privateKey }) => cosignCheckpoint(text, key, privateKey, now)),
  ]);
}

/** Writes a log's checkpoint, tiles and entry bundles into a folder, as C2SP tlog-tiles has them. */
export async function writeLog(folder: string, log: SampleLog, checkpoint: string): Promise<void> {
  await writeBelow(folder, "checkpoint", checkpoint);
  for (const [level, row] of log.rows.entries()) {
    for (let index = 0; index * TILE_WIDTH < row.length; index++) {
      const tile = tileOf(row, index);
      const width = tile.length;
      await writeBelow(folder, tilePath({ level, index, width }), Buffer.concat(tile, width * HASH_BYTES));
      if (level === 0) {
        const entries = Array.from({ length: width }, (_, i) => sampleEntry(index * TILE_WIDTH + i));
        await writeBelow(folder, tilePath({ level: "entries", index, width }), encodeBundle(entries));
      }
    }
  }
}

/** The signers of a log: its own, and a witness of each type. */
export function makeSigners(origin: string): { readonly log: Signer; readonly witnesses: readonly Signer[] } {
  return {
    log: makeSigner(origin, ED25519),
    witnesses: [
      makeSigner("ed25519.example/witness", COSIGNATURE_ED25519),
      makeSigner("ml-dsa.example/witness", COSIGNATURE_ML_DSA_44),
    ],
  };
}

function tileOf(row: readonly Buffer[], index: number): readonly Buffer[] {
  return row.slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH);
}

async function writeBelow(folder: string, path: string, bytes: string | Buffer): Promise<void> {
  const file = join(folder, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, bytes);
}
