import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import {
  CheckpointRefused,
  decodeBundle,
  ED25519,
  encodeBundle,
  Frontier,
  formatCheckpoint,
  formatNote,
  formatTlogProof,
  leafHash,
  NoteMalformed,
  nodesOfTiles,
  noteKey,
  openCheckpoint,
  parseTlogProof,
  proveInclusion,
  signNote,
  subtreeRoot,
  TILE_WIDTH,
  tileHashes,
  tilePath,
  tilesOf,
  verifyLog,
  verifyTlogProof,
} from "@bunkms/tlog";
import { encodeEntry } from "../../packages/server/src/audit/entry.ts";
import { seeded } from "../vectors/seeded.ts";

const SOAK = process.env["BUNKMS_SOAK"] === "1";
const SIZE = 1000;
/** In npm test, one change of this many is tried. */
const SHARE = SOAK ? 1 : 50;
const TIMEOUT = { timeout: SOAK ? 3 * 3_600_000 : 300_000 };

const random = seeded();
const origin = "bkms/0123456789abcdef0123456789abcdef/main";
const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const key = noteKey(origin, ED25519, publicKey);
const trust = { logs: [key] };

/** A mirror: its files by their names. */
type Mirror = ReadonlyMap<string, Buffer>;

/**
 * Of every fifty entries, one as the server writes it; the others are short, so that soak can change every byte of all. No two
 * are the same: to swap those changes nothing.
 */
const ENTRIES = Array.from({ length: SIZE }, (_, i) =>
  i % 50 === 0 ? realEntry(i) : Buffer.from(`{"v":1,"request_id":"${i}"}`),
);
const HASHES = ENTRIES.map(leafHash);

function realEntry(index: number): Buffer {
  return encodeEntry({
    time: 1_796_000_000_000 + index,
    requestId: random.bytes(8).toString("hex"),
    operation: "keys.encrypt",
    resource: `key/k${index % 7}`,
    outcome: index % 100 === 0 ? "not_found" : "ok",
    source: "127.0.0.1",
    transport: "rest",
    request: {},
    response: {},
  });
}

function sign(text: string): Buffer {
  return Buffer.from(formatNote(text, [signNote(text, key, privateKey)]));
}

function makeMirror(): Mirror {
  const full = Array.from({ length: Math.floor(SIZE / TILE_WIDTH) }, (_, i) =>
    subtreeRoot(HASHES.slice(i * TILE_WIDTH, (i + 1) * TILE_WIDTH)),
  );
  const root = Frontier.EMPTY.append(HASHES).root();
  const files = new Map([["checkpoint", sign(formatCheckpoint({ origin, size: SIZE, root }))]]);
  for (const address of tilesOf(SIZE)) {
    const first = address.index * TILE_WIDTH;
    const part = <Item>(items: readonly Item[]): readonly Item[] => items.slice(first, first + address.width);
    const bytes =
      address.level === "entries"
        ? encodeBundle(part(ENTRIES))
        : Buffer.concat(part(address.level === 0 ? HASHES : full));
    files.set(tilePath(address), bytes);
  }
  return files;
}

const MIRROR = makeMirror();
const BUNDLES = [...MIRROR.keys()].filter((name) => name.startsWith("tile/entries/"));

/** What `bunkms audit verify` does with a folder. @returns What is wrong; empty when nothing is. */
async function verify(mirror: Mirror): Promise<readonly string[]> {
  try {
    const { checkpoint } = openCheckpoint(mirror.get("checkpoint") ?? "", trust);
    const { problems } = await verifyLog(async (address) => mirror.get(tilePath(address)), checkpoint);
    return problems.map(({ path, message }) => `${path ?? ""}: ${message}`);
  } catch (error) {
    assert.ok(error instanceof CheckpointRefused, String(error));
    return [`checkpoint: ${error.message}`];
  }
}

/** Fails unless something is wrong with the file that was changed. */
async function assertFound(name: string, bytes: Buffer | undefined, what: string): Promise<void> {
  const mirror = new Map(MIRROR);
  bytes === undefined ? mirror.delete(name) : mirror.set(name, bytes);
  // Verifying waits for nothing, so nothing else would run: neither the report of tests nor their limit of time.
  await setImmediate();
  const found = await verify(mirror);
  assert.ok(
    found.some((problem) => problem.includes(name)),
    `${name}: ${what}, seed ${random.seed}: ${found.join("; ") || "not found"}`,
  );
}

function changed(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (bytes[at] as number) ^ (1 + random.below(255));
  return copy;
}

/** The whole numbers below a count: all in soak, else a random share of them. */
function share(count: number): readonly number[] {
  return SHARE === 1
    ? Array.from({ length: count }, (_, i) => i)
    : Array.from({ length: Math.ceil(count / SHARE) }, () => random.below(count));
}

test("REQ-29: a log of 1,000 entries that nobody touched verifies", async () => {
  assert.deepEqual(await verify(MIRROR), []);
});

test(
  "REQ-29: every byte that is changed in checkpoint, tiles or bundles is found [all in soak]",
  TIMEOUT,
  async (t) => {
    let changes = 0;
    for (const [name, bytes] of MIRROR) {
      // Of the checkpoint all, and each to several values: its last bits may be none that count.
      const places = name === "checkpoint" ? [...bytes.keys()].flatMap((at) => [at, at, at, at]) : share(bytes.length);
      for (const at of places) {
        await assertFound(name, changed(bytes, at), `byte ${at}`);
        changes += 1;
      }
    }
    t.diagnostic(`${changes} changes`);
  },
);

test(
  "REQ-29: every truncation of checkpoint, tiles and bundles, and every missing file, is found [all in soak]",
  TIMEOUT,
  async () => {
    for (const [name, bytes] of MIRROR) {
      const lengths = name === "checkpoint" ? [...bytes.keys()] : [0, bytes.length - 1, ...share(bytes.length)];
      for (const length of lengths) {
        await assertFound(name, bytes.subarray(0, length), `cut to ${length}`);
      }
      await assertFound(name, Buffer.concat([bytes, random.bytes(1)]), "a byte more");
      await assertFound(name, undefined, "gone");
    }
  },
);

const EDITS: readonly (readonly [name: string, edit: (entries: Buffer[], at: number) => void])[] = [
  ["dropped", (entries, at) => entries.splice(at, 1)],
  ["doubled", (entries, at) => entries.splice(at, 0, entries[at] as Buffer)],
  ["inserted", (entries, at) => entries.splice(at, 0, Buffer.from('{"v":1}'))],
  ["replaced", (entries, at) => entries.splice(at, 1, Buffer.from('{"v":1}'))],
  ["swapped with the next", (entries, at) => entries.splice(at, 2, ...entries.slice(at, at + 2).reverse())],
];

for (const [edit, apply] of EDITS) {
  test(`REQ-29: an entry that is ${edit} is found, wherever it is [all in soak]`, TIMEOUT, async () => {
    const last = edit === "swapped with the next" ? SIZE - 1 : SIZE;
    const places = SOAK
      ? [...Array(last).keys()]
      : [0, 255, 256, last - 1, ...Array.from({ length: 40 }, () => random.below(last))];
    for (const at of places) {
      const name = BUNDLES[Math.floor(at / TILE_WIDTH)] as string;
      const inBundle = at % TILE_WIDTH;
      const entries = [...decodeBundle(MIRROR.get(name) as Buffer, bundleWidth(name))];
      if (edit !== "swapped with the next" || inBundle < entries.length - 1) {
        apply(entries, inBundle);
        await assertFound(name, encodeBundle(entries), `entry ${at} ${edit}`);
      }
      // In the log as a whole, so that all bundles after it are others, but of the right width.
      const all = [...ENTRIES];
      apply(all, at);
      const mirror = new Map(MIRROR);
      for (const [i, bundle] of BUNDLES.entries()) {
        mirror.set(bundle, encodeBundle(all.slice(i * TILE_WIDTH, i * TILE_WIDTH + bundleWidth(bundle))));
      }
      const isSame = BUNDLES.every((bundle) => mirror.get(bundle)?.equals(MIRROR.get(bundle) as Buffer));
      // Doubling the last entry only adds one that the checkpoint does not have.
      assert.equal((await verify(mirror)).length === 0, isSame, `entry ${at} ${edit}, seed ${random.seed}`);
    }
  });
}

function bundleWidth(name: string): number {
  return Number(/\.p\/(\d+)$/.exec(name)?.[1] ?? TILE_WIDTH);
}

test("REQ-29: a log that was made anew around a changed entry is found by an older checkpoint, and by its signature", async () => {
  const older = { origin, size: 700, root: Frontier.EMPTY.append(HASHES.slice(0, 700)).root() };
  for (const at of [0, 1, 255, 256, 698, 699, ...Array.from({ length: 20 }, () => random.below(700))]) {
    const entries = ENTRIES.with(at, Buffer.from('{"v":1}'));
    const hashes = entries.map(leafHash);
    const root = Frontier.EMPTY.append(hashes).root();
    const full = [0, 1, 2].map((i) => subtreeRoot(hashes.slice(i * TILE_WIDTH, (i + 1) * TILE_WIDTH)));
    const { problems } = await verifyLog(
      async ({ level, index, width }) => {
        const part = <Item>(items: readonly Item[]) => items.slice(index * TILE_WIDTH, index * TILE_WIDTH + width);
        return level === "entries" ? encodeBundle(part(entries)) : Buffer.concat(part(level === 0 ? hashes : full));
      },
      { origin, size: SIZE, root },
      { earlier: [older] },
    );
    assert.deepEqual(
      problems.map(({ message }) => message),
      ["the log does not begin with what the checkpoint of 700 entries was signed over: it was rewritten"],
    );
    const stranger = generateKeyPairSync("ed25519").privateKey;
    const text = formatCheckpoint({ origin, size: SIZE, root });
    assert.throws(() => openCheckpoint(formatNote(text, [signNote(text, key, stranger)]), trust), CheckpointRefused);
  }
});

test("REQ-29: every byte that is changed in a receipt, and every truncation of it, is found", TIMEOUT, async () => {
  const index = 777;
  const entry = ENTRIES[index] as Buffer;
  const nodes = nodesOfTiles(SIZE, async (level, tile, width) =>
    tileHashes(MIRROR.get(tilePath({ level, index: tile, width })) as Buffer, width),
  );
  const path = await proveInclusion(index, SIZE, nodes);
  const checkpoint = (MIRROR.get("checkpoint") as Buffer).toString();
  const receipt = Buffer.from(formatTlogProof({ extra: entry, index, path, checkpoint }));
  const check = (bytes: Buffer): void => {
    const proof = parseTlogProof(bytes);
    verifyTlogProof(proof, proof.extra ?? Buffer.alloc(0), trust);
  };
  check(receipt);
  const isFound = (error: unknown): boolean => error instanceof CheckpointRefused || error instanceof NoteMalformed;
  for (let at = 0; at < receipt.length; at++) {
    for (let times = 0; times < (SOAK ? 16 : 2); times++) {
      assert.throws(() => check(changed(receipt, at)), isFound, `byte ${at}, seed ${random.seed}`);
    }
    assert.throws(() => check(receipt.subarray(0, at)), isFound, `cut to ${at}`);
  }
});
