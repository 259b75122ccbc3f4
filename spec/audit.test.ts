import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { EncryptRequestSchema, readOperations, SignRequestSchema } from "@bunkms/contract";
import {
  ED25519,
  Frontier,
  followHandovers,
  formatHandover,
  formatNote,
  formatVkey,
  leafHash,
  type NoteKey,
  noteKey,
  openHandover,
  parseTlogProof,
  parseVkey,
  signNote,
  verifyTlogProof,
} from "@bunkms/tlog";
import { Checkpoints } from "../packages/server/src/audit/checkpoints.ts";
import { Edges } from "../packages/server/src/audit/edges.ts";
import { type AuditRecord, decodeEntry, encodeEntry } from "../packages/server/src/audit/entry.ts";
import { AuditLog, decodeBatch } from "../packages/server/src/audit/log.ts";
import { findInShard, LotTerms, lotFingerprint, shardOf, termOf } from "../packages/server/src/audit/lot-terms.ts";
import { AuditProofs } from "../packages/server/src/audit/proofs.ts";
import { AuditTree } from "../packages/server/src/audit/tree.ts";
import { privateEd25519, publicEd25519 } from "../packages/server/src/crypto/ed25519.ts";
import { secretKey } from "../packages/server/src/crypto/keys.ts";
import { auditFields } from "../packages/server/src/pipeline/audit-fields.ts";
import { lotStore } from "../packages/server/src/pipeline/audit-lots.ts";
import { logOrigin } from "../packages/server/src/vault/log-keys.ts";
import { type AuditIndexFile, auditIndexVectors } from "./vectors/audit-index-vectors.ts";
import { type AuditProofFile, auditProofVectors } from "./vectors/audit-proof-vectors.ts";
import { type AuditFile, auditVectors, type BatchVector } from "./vectors/audit-vectors.ts";

const FILE = JSON.parse(readFileSync(new URL("vectors/audit-batch.json", import.meta.url), "utf8")) as AuditFile;

const bytes = (hex: string): Buffer => Buffer.from(hex, "hex");

test("audit-batch.json is what its generator makes", () => {
  assert.deepEqual(FILE, JSON.parse(JSON.stringify(auditVectors())));
});

for (const { name, access, entry } of FILE.entries) {
  test(`audit entry: ${name}`, () => {
    const { identity, ...rest } = access;
    const record: AuditRecord = identity === null ? rest : { ...rest, identity };
    assert.equal(encodeEntry(record).toString("utf8"), entry);
    assert.deepEqual(decodeEntry(Buffer.from(entry)), record);
  });
}

test("REQ-31: a field of the class HMAC is recorded as the vectors say", () => {
  const requests = {
    aad: (value: Buffer) => create(EncryptRequestSchema, { binding: { case: "aad", value: value.toString("utf8") } }),
    aad_b64: (value: Buffer) => create(EncryptRequestSchema, { binding: { case: "aadB64", value } }),
    digest_b64: (value: Buffer) => create(SignRequestSchema, { input: { case: "digestB64", value } }),
  };
  for (const { audit_key, field, value, recorded } of FILE.fields) {
    const message = requests[field as keyof typeof requests](bytes(value));
    const spec = readOperations().find(({ method }) => method.input.typeName === message.$typeName);
    const fields = auditFields(spec?.auditRequest ?? [], message, secretKey(bytes(audit_key)));
    assert.deepEqual(fields, { [field]: recorded });
  }
});

for (const { entries, root, frontier } of FILE.trees) {
  test(`the Merkle tree of ${entries.length} entries has the root of RFC 6962`, () => {
    const leaves = entries.map((entry) => leafHash(bytes(entry)));
    const grown = Frontier.EMPTY.append(leaves);
    assert.equal(grown.root().toString("hex"), root);
    assert.deepEqual(
      grown.hashes.map((hash) => hash.toString("hex")),
      frontier,
    );
    const oneByOne = leaves.reduce((tree, leaf) => tree.append([leaf]), Frontier.EMPTY);
    assert.deepEqual(oneByOne, grown);
  });
}

for (const vector of FILE.batches) {
  test(`audit batch: ${vector.name}`, () => {
    switch (vector.outcome) {
      case "reads":
        readsAndWrites(vector);
        break;
      case "malformed":
        assert.throws(() => decodeBatch(bytes(vector.payload)), RangeError);
        break;
      default:
        assert.fail(`unknown outcome ${vector.outcome}`);
    }
  });
}

function readsAndWrites(vector: BatchVector): void {
  const { first = 0, frontier_before = [], bytes_before = 0, signed = 0, entries = [], path, payload, root } = vector;
  const read = decodeBatch(bytes(payload));
  assert.equal(read.first, first);
  assert.deepEqual(
    read.entries.map((entry) => entry.toString("utf8")),
    entries,
  );
  assert.equal(read.frontier.root().toString("hex"), root);
  assert.equal(read.signed, signed);

  const log = new AuditLog();
  log.adopt({ frontier: new Frontier(first, frontier_before.map(bytes)), edges: Edges.EMPTY, bytes: bytes_before });
  const written = log.prepare(
    entries.map((entry) => Buffer.from(entry)),
    signed,
  );
  assert.equal(written.path, path);
  assert.equal(written.payload.toString("hex"), payload);
}

const PROOFS = JSON.parse(readFileSync(new URL("vectors/audit-proof.json", import.meta.url), "utf8")) as AuditProofFile;

test("audit-proof.json is what its generator makes", () => {
  assert.deepEqual(PROOFS, JSON.parse(JSON.stringify(auditProofVectors())));
});

test("the server's log has the keys, the checkpoint and the receipts of the vectors", async () => {
  const { cluster, seeds, vkeys, entries, checkpoint, receipts } = PROOFS;
  const origin = logOrigin(bytes(cluster));
  const privateKey = privateEd25519(bytes(seeds[0]));
  const key = noteKey(origin, ED25519, publicEd25519(privateKey));
  assert.equal(formatVkey(key), vkeys[0]);
  const log = new AuditLog();
  log.adopt(
    log.prepare(
      entries.map((entry) => Buffer.from(entry)),
      0,
    ).end,
  );
  const checkpoints = new Checkpoints({
    origin,
    sign: (text) => [signNote(text, key, privateKey)],
    save: async () => {},
    monotonic: () => 0,
    clock: () => 0,
  });
  await checkpoints.sign(log.frontier);
  assert.equal(checkpoints.latest?.note, checkpoint);
  const store = {
    tile: async () => undefined,
    keepTile: async () => {},
    entries: async () => [],
    archivedBundle: async () => undefined,
    pruned: 0,
  };
  const tree = new AuditTree(store, log);
  const proofs = new AuditProofs({ log, tree, checkpoints, signNow: async () => {} });
  for (const [i, entry] of entries.entries()) {
    assert.equal(await proofs.receipt(i, Buffer.from(entry)), receipts[i]);
    const proof = parseTlogProof(receipts[i] as string);
    assert.equal(verifyTlogProof(proof, Buffer.from(entry), { logs: [key] }).checkpoint.size, entries.length);
  }
});

test("the vectors' hand-over leads from the first key to the second", () => {
  const [first, second] = PROOFS.vkeys.map(parseVkey);
  const keys = followHandovers(first as NoteKey, [PROOFS.handover]);
  assert.deepEqual(keys.map(formatVkey), PROOFS.vkeys);
  assert.deepEqual(followHandovers(second as NoteKey, [PROOFS.handover]), [second]);
  const { checkpoint, oldKey, newKey } = openHandover(PROOFS.handover);
  const text = formatHandover({ checkpoint, oldKey, newKey });
  const signatures = [oldKey, newKey].map((key, i) =>
    signNote(text, key, privateEd25519(bytes(PROOFS.seeds[i] as string))),
  );
  assert.equal(formatNote(text, signatures), PROOFS.handover);
});

const INDEX = JSON.parse(readFileSync(new URL("vectors/audit-index.json", import.meta.url), "utf8")) as AuditIndexFile;

test("audit-index.json is what its generator makes", () => {
  assert.deepEqual(INDEX, auditIndexVectors());
});

test("a lot's records are those of the vectors, at their paths, and are read as they say", async () => {
  const key = secretKey(bytes(INDEX.audit_index_key));
  const fingerprint = lotFingerprint(key, INDEX.bundles.map(bytes));
  const lot = new LotTerms(key, 0);
  for (let position = 0; position < 4096; position++) {
    const { time, identity, identity_name, resource } = INDEX.entries.find((one) => one.position === position) ?? {
      ...{ time: 1_895_564_800_000, identity: "", identity_name: "", resource: "" },
    };
    lot.add(
      encodeEntry({
        ...{ time, requestId: "", operation: "keys.encrypt", resource, outcome: "ok", source: "", transport: "rest" },
        // An id is never empty where there is a name.
        ...(identity === "" ? {} : { identity: { id: identity, name: identity_name, role: "user" } }),
        ...{ request: {}, response: {} },
      }),
    );
  }
  const shards = lot.encode(fingerprint);
  const kept: { readonly path: string; readonly payload: string }[] = [];
  const keep = async (asides: readonly { readonly path: string; readonly payload: Uint8Array | null }[]) =>
    void kept.push(
      ...asides.map(({ path, payload }) => ({ path, payload: Buffer.from(payload ?? []).toString("hex") })),
    );
  await lotStore({ keep } as never).keep(INDEX.lot, [...shards]);
  assert.deepEqual(kept, INDEX.records);
  for (const { field, value, term } of INDEX.terms) {
    assert.equal(termOf(key, { field: field as "identity" | "resource", value }), term);
    const record = bytes(INDEX.records[shardOf(term)]?.payload ?? "");
    const entries = INDEX.entries.filter((one) =>
      field === "resource" ? one.resource === value : [one.identity, one.identity_name].includes(value),
    );
    const positions = entries.map(({ position }) => position);
    assert.deepEqual(findInShard(record, fingerprint, term), { positions, oldest: 1_795_564_799_000 });
  }
});
