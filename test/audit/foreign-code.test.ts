import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  CheckpointRefused,
  COSIGNATURE_ED25519,
  decodeBundle,
  ED25519,
  formatTlogProof,
  formatVkey,
  isConsistent,
  isIncluded,
  leafHash,
  nodesOfTiles,
  openCheckpoint,
  parsePolicy,
  parseTlogProof,
  parseVkey,
  proveConsistency,
  proveInclusion,
  type ReadNode,
  TILE_WIDTH,
  type Trust,
  tileHashes,
  tilePath,
  tileWidth,
  treeRoot,
  verifyTlogProof,
} from "@bunkms/tlog";
import { seeded } from "../vectors/seeded.ts";
import { askGo, type CheckRequest, type WriteAnswer, type WriteRequest } from "./go-program.ts";
import {
  digestEntries,
  makeSigner,
  makeSigners,
  type SampleLog,
  type Signer,
  sampleEntry,
  sampleLeaves,
  sampleLog,
  signedCheckpoint,
  writeLog,
} from "./sample-log.ts";

const ORIGIN = "bkms/00112233445566778899aabbccddeeff/main";
const random = seeded();
const SIZES: readonly number[] = [
  ...[0, 1, 2, 255, 256, 257, 65_535, 65_536, 65_537],
  ...[3 + random.below(252), 258 + random.below(5000)],
];
const NAME = `sizes ${SIZES.join(", ")}, seed ${random.seed}`;
const LEAVES = sampleLeaves(Math.max(...SIZES));

const folder = await mkdtemp(join(tmpdir(), "bunkms-test-"));
after(() => rm(folder, { recursive: true }));

const base64 = (hashes: readonly Buffer[]): readonly string[] => hashes.map((hash) => hash.toString("base64"));
const hashes = (texts: readonly string[]): readonly Buffer[] => texts.map((text) => Buffer.from(text, "base64"));

/** Entries and earlier sizes that are of interest in a log, and random ones. */
function samples(size: number): { readonly indexes: readonly number[]; readonly froms: readonly number[] } {
  const candidates = [0, 1, 254, 255, 256, 257, 65_535, size - 2, size - 1];
  const some = size === 0 ? [] : Array.from({ length: 5 }, () => random.below(size));
  const indexes = [...new Set([...candidates, ...some])].filter((index) => index >= 0 && index < size);
  return { indexes, froms: indexes.map((index) => index + 1) };
}

interface Written {
  readonly log: SampleLog;
  readonly signers: { readonly log: Signer; readonly witnesses: readonly Signer[] };
  readonly request: CheckRequest;
}

async function writeOurs(size: number): Promise<Written> {
  const log = sampleLog(ORIGIN, LEAVES.slice(0, size));
  const signers = makeSigners(ORIGIN);
  const checkpoint = signedCheckpoint(log.checkpoint, signers.log, signers.witnesses);
  const source = join(folder, `ours-${size}`);
  await writeLog(source, log, checkpoint);
  const { indexes, froms } = samples(size);
  const paths = await Promise.all(indexes.map((index) => proveInclusion(index, size, log.read)));
  const consistency = froms.map(async (from) => ({
    from,
    root: (await treeRoot(from, log.read)).toString("base64"),
    path: base64(await proveConsistency(from, size, log.read)),
  }));
  const proofs = indexes.map((index, i) =>
    formatTlogProof({ extra: sampleEntry(index), index, path: paths[i] as readonly Buffer[], checkpoint }),
  );
  const request: CheckRequest = {
    source,
    logs: [formatVkey(signers.log.key)],
    witnesses: signers.witnesses.map(({ key }) => formatVkey(key)),
    inclusion: indexes.map((index, i) => ({ index, path: base64(paths[i] as readonly Buffer[]) })),
    consistency: await Promise.all(consistency),
    proofs,
  };
  return { log, signers, request };
}

test(`Go verifies our logs whole, and makes the same proofs from them (${NAME})`, async () => {
  const written = await Promise.all(SIZES.map(writeOurs));
  const results = await askGo(
    "check",
    written.map(({ request }) => request),
  );
  for (const [i, { log, request }] of written.entries()) {
    const { size, root } = log.checkpoint;
    const { error, answer } = results[i] ?? {};
    assert.equal(error, undefined, `size ${size}`);
    assert.deepEqual(answer, {
      origin: ORIGIN,
      size,
      root: root.toString("base64"),
      entries: size,
      digest: digestEntries(LEAVES.slice(0, size).map((_, index) => sampleEntry(index))),
      inclusion: request.inclusion,
      consistency: request.consistency,
      proofs: request.proofs?.length,
    });
  }
  const checked = results.reduce((sum, { answer }) => sum + (answer?.inclusion.length ?? 0), 0);
  assert.ok(checked >= 80, `${checked} inclusion proofs were checked`);
});

test("Go verifies a log of ours over HTTP, and sends the headers that it needs", async () => {
  const { request } = await writeOurs(300);
  const asked: string[] = [];
  const server = createServer(async ({ url = "", headers }, response) => {
    asked.push(`${headers.authorization} ${url}`);
    response.end(await readFile(join(request.source, url.slice("/log/".length))));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as { readonly port: number };
    const source = `http://127.0.0.1:${port}/log/`;
    const [result] = await askGo("check", [{ ...request, source, headers: { authorization: "Bearer x" } }]);
    assert.equal(result?.error, undefined);
    assert.equal(result?.answer?.entries, 300);
    assert.ok(asked.includes("Bearer x /log/checkpoint"));
    assert.ok(asked.includes("Bearer x /log/tile/entries/001.p/44"));
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test("Go refuses a log of ours with one changed bit, and proofs and keys that do not fit", async () => {
  const { request, signers } = await writeOurs(600);
  const [first] = request.inclusion ?? [];
  const [earlier] = request.consistency ?? [];
  const [proof = ""] = request.proofs ?? [];
  const others = makeSigners(ORIGIN);
  const wrong = LEAVES[9]?.toString("base64") ?? "";
  const changes: readonly Partial<CheckRequest>[] = [
    { logs: [formatVkey(others.log.key)] },
    { logs: [formatVkey(makeSigner("bkms/other", ED25519).key)] },
    ...[0, 1].map((i) => ({
      witnesses: signers.witnesses.with(i, others.witnesses[i] as Signer).map(({ key }) => formatVkey(key)),
    })),
    { inclusion: [{ index: 1, path: first?.path ?? [] }] },
    { inclusion: [{ index: 0, path: [wrong] }] },
    { consistency: [{ from: 1, root: wrong, path: earlier?.path ?? [] }] },
    { consistency: [{ from: 2, root: earlier?.root ?? "", path: earlier?.path ?? [] }] },
    { proofs: [proof.replace("index 0", "index 1")] },
    { proofs: [proof.replace(/^extra .*$/m, "extra AAAA")] },
  ];
  const refused = await askGo("check", [request, ...changes.map((change) => ({ ...request, ...change }))]);
  assert.deepEqual(
    refused.map(({ error }) => error === undefined),
    [true, ...changes.map(() => false)],
  );
  for (const path of ["checkpoint", "tile/0/001", "tile/1/000.p/2", "tile/entries/000", "tile/entries/002.p/88"]) {
    const file = join(request.source, path);
    const bytes = await readFile(file);
    const changed = Buffer.from(bytes);
    changed[path === "checkpoint" ? 0 : 40] = (bytes[path === "checkpoint" ? 0 : 40] as number) ^ 1;
    await writeFile(file, changed);
    const [result] = await askGo("check", [request]);
    assert.notEqual(result?.error, undefined, path);
    await writeFile(file, bytes);
  }
});

/** Reads a log's folder as any client of C2SP tlog-tiles would, recomputing every tile from the entries. */
async function readTheirs(source: string, size: number): Promise<{ readonly read: ReadNode; readonly digest: string }> {
  const entries: Buffer[] = [];
  for (let index = 0; index * TILE_WIDTH < size; index++) {
    const width = tileWidth("entries", index, size);
    entries.push(...decodeBundle(await readFile(join(source, tilePath({ level: "entries", index, width }))), width));
  }
  const fromEntries = sampleLog(ORIGIN, entries.map(leafHash));
  for (const [level, row] of fromEntries.rows.entries()) {
    for (let index = 0; index * TILE_WIDTH < row.length; index++) {
      const width = tileWidth(level, index, size);
      const tile = await readFile(join(source, tilePath({ level, index, width })));
      assert.deepEqual(tileHashes(tile, width), row.slice(index * TILE_WIDTH, index * TILE_WIDTH + width));
    }
  }
  const read = nodesOfTiles(size, async (level, index, width) =>
    tileHashes(await readFile(join(source, tilePath({ level, index, width: tileWidth(level, index, size) }))), width),
  );
  return { read, digest: digestEntries(entries) };
}

test(`we verify logs that Go made, and their proofs (${NAME})`, async () => {
  const requests: readonly WriteRequest[] = SIZES.map((size) => ({
    folder: join(folder, `theirs-${size}`),
    origin: ORIGIN,
    size,
    ...samples(size),
  }));
  const results = await askGo("write", requests);
  let proofs = 0;
  for (const [i, request] of requests.entries()) {
    assert.equal(results[i]?.error, undefined, `size ${request.size}`);
    proofs += await verifyTheirs(request, results[i]?.answer as WriteAnswer);
  }
  assert.ok(proofs >= 240, `${proofs} proofs were verified`);
});

async function verifyTheirs(request: WriteRequest, answer: WriteAnswer): Promise<number> {
  const { size } = request;
  const signed = await readFile(join(request.folder, "checkpoint"));
  const trust = trustOf(answer);
  const opened = openCheckpoint(signed, trust);
  const { root } = opened.checkpoint;
  assert.deepEqual(opened.checkpoint, { origin: ORIGIN, size, root });
  assert.deepEqual(
    opened.witnesses.map(({ name }) => name),
    ["w0", "w1"],
  );
  assert.ok(opened.witnesses.every(({ timestamp }) => Math.abs(Date.now() / 1000 - timestamp) < 600));
  const { read, digest } = await readTheirs(request.folder, size);
  assert.equal(digest, digestEntries(LEAVES.slice(0, size).map((_, index) => sampleEntry(index))));
  assert.deepEqual(await treeRoot(size, read), root);
  const { inclusion, consistency, proofs } = answer;
  for (const { index, path } of inclusion) {
    assert.equal(isIncluded(LEAVES[index] as Buffer, index, size, hashes(path), root), true);
    assert.deepEqual(await proveInclusion(index, size, read), hashes(path));
  }
  for (const { from, root: earlier, path } of consistency) {
    assert.equal(isConsistent(from, Buffer.from(earlier, "base64"), size, root, hashes(path)), true);
    assert.deepEqual(await proveConsistency(from, size, read), hashes(path));
    assert.equal(subtreeRootOf(from).toString("base64"), earlier);
  }
  for (const text of proofs) {
    const proof = parseTlogProof(text);
    assert.equal(formatTlogProof(proof), text);
    assert.deepEqual(verifyTlogProof(proof, proof.extra as Buffer, trust).checkpoint, opened.checkpoint);
    assert.throws(() => verifyTlogProof(proof, Buffer.from("another entry"), trust), CheckpointRefused);
  }
  assert.deepEqual(
    [inclusion.length, consistency.length, proofs.length],
    [request.indexes.length, request.froms.length, request.indexes.length],
  );
  return inclusion.length + consistency.length + proofs.length;
}

function subtreeRootOf(size: number): Buffer {
  return sampleLog(ORIGIN, LEAVES.slice(0, size)).checkpoint.root;
}

function trustOf({ log, witnesses }: WriteAnswer): Trust {
  const lines = [...witnesses.map((vkey, i) => `witness w${i} ${vkey}`), "group all all w0 w1", "quorum all", ""];
  return { logs: [parseVkey(log)], policy: parsePolicy(Buffer.from(lines.join("\n"))) };
}

const WITNESSES = Array.from({ length: 6 }, (_, i) => makeSigner(`w${i}.example`, COSIGNATURE_ED25519));

/** Groups over all witnesses, each member in one of them. */
function randomPolicy(log: Signer): string {
  const lines = [`log ${formatVkey(log.key)}`];
  let free = WITNESSES.map(({ key }, i) => {
    lines.push(`witness w${i} ${formatVkey(key)}`);
    return `w${i}`;
  });
  for (let i = 0; i < 4 && free.length > 0; i++) {
    const members = free.filter(() => random.below(2) === 0);
    if (members.length > 0) {
      const threshold = ["any", "all", 1 + random.below(members.length)][random.below(3)];
      lines.push(`group g${i} ${threshold} ${members.join(" ")}`);
      free = [...free.filter((name) => !members.includes(name)), `g${i}`];
    }
  }
  return `${lines.join("\n")}\nquorum ${free[random.below(free.length)]}\n`;
}

test(`Go and we agree on which checkpoints a policy accepts (seed ${random.seed})`, async () => {
  const log = makeSigner(ORIGIN, ED25519);
  const { checkpoint } = sampleLog(ORIGIN, LEAVES.slice(0, 2));
  const requests = Array.from({ length: 40 }, () => ({
    policy: randomPolicy(log),
    checkpoints: Array.from({ length: 8 }, () =>
      signedCheckpoint(
        checkpoint,
        log,
        WITNESSES.filter(() => random.below(2) === 0),
      ),
    ),
  }));
  const results = await askGo("policies", requests);
  const verdicts = requests.flatMap(({ policy, checkpoints }, i) => {
    const trust = { logs: [], policy: parsePolicy(Buffer.from(policy)) };
    assert.deepEqual(
      results[i],
      { answer: { accepted: checkpoints.map((signed) => isAccepted(signed, trust)) } },
      policy,
    );
    return results[i]?.answer?.accepted ?? [];
  });
  assert.ok(verdicts.includes(true) && verdicts.includes(false));
});

function isAccepted(signed: string, trust: Trust): boolean {
  try {
    return openCheckpoint(signed, trust).checkpoint.size === 2;
  } catch (error) {
    assert.ok(error instanceof CheckpointRefused && error.reason === "quorum_missing");
    return false;
  }
}
