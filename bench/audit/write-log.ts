import { generateKeyPairSync } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import {
  ED25519,
  encodeBundle,
  Frontier,
  formatCheckpoint,
  formatNote,
  formatVkey,
  HASH_BYTES,
  leafHash,
  noteKey,
  packedRoot,
  signNote,
  TILE_WIDTH,
  tilePath,
  tilesOf,
} from "@bunkms/tlog";
import { encodeEntry } from "../../packages/server/src/audit/entry.ts";

/** A log in a folder, as a mirror has it. */
export interface WrittenLog {
  readonly folder: string;
  readonly vkey: string;
  readonly size: number;
  /** Of all entries. */
  readonly bytes: number;
}

const ORIGIN = "bkms/0123456789abcdef0123456789abcdef/main";
const BEGIN = Date.UTC(2026, 10, 25);

/** Writes a log of entries like those of a server whose keys are used over REST. */
export async function writeLog(folder: string, size: number): Promise<WrittenLog> {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const key = noteKey(ORIGIN, ED25519, publicKey);
  const rows = [Buffer.alloc(size * HASH_BYTES)];
  let frontier = Frontier.EMPTY;
  let bytes = 0;
  for (const address of tilesOf(size)) {
    if (address.level === "entries") {
      const first = address.index * TILE_WIDTH;
      const entries = Array.from({ length: address.width }, (_, i) => entryOf(first + i));
      const hashes = entries.map(leafHash);
      rows[0]?.set(Buffer.concat(hashes), first * HASH_BYTES);
      frontier = frontier.append(hashes);
      bytes += entries.reduce((sum, { length }) => sum + length, 0);
      await write(folder, tilePath(address), encodeBundle(entries));
    }
  }
  for (let row = rows[0]; row !== undefined && row.length >= TILE_BYTES; row = rows.at(-1)) {
    const below = row;
    const roots = Array.from({ length: Math.floor(below.length / TILE_BYTES) }, (_, i) =>
      packedRoot(below.subarray(i * TILE_BYTES, (i + 1) * TILE_BYTES)),
    );
    rows.push(Buffer.concat(roots));
  }
  for (const address of tilesOf(size)) {
    if (address.level !== "entries") {
      const at = address.index * TILE_BYTES;
      await write(folder, tilePath(address), rows[address.level]?.subarray(at, at + address.width * HASH_BYTES));
    }
  }
  const text = formatCheckpoint({ origin: ORIGIN, size, root: frontier.root() });
  await write(folder, "checkpoint", Buffer.from(formatNote(text, [signNote(text, key, privateKey)])));
  return { folder, vkey: formatVkey(key), size, bytes };
}

const TILE_BYTES = TILE_WIDTH * HASH_BYTES;

function entryOf(index: number): Buffer {
  return encodeEntry({
    time: BEGIN + index,
    requestId: index.toString(16).padStart(32, "0"),
    identity: { id: "0123456789abcdef0123456789abcdef", name: "billing", role: "user" },
    operation: "keys.encrypt",
    resource: "key/invoices",
    outcome: "ok",
    source: "192.0.2.1",
    transport: "rest",
    request: { key_name: "invoices" },
    response: { version: "1", algorithm: "aes-256" },
  });
}

async function write(folder: string, name: string, bytes: Uint8Array = Buffer.alloc(0)): Promise<void> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
}
