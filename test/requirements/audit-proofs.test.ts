import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import {
  decodeBundle,
  isConsistent,
  leafHash,
  openCheckpoint,
  parseTlogProof,
  parseVkey,
  tileHashes,
  verifyTlogProof,
} from "@bunkms/tlog";
import * as grpc from "@grpc/grpc-js";
import { startServer, type TestServer } from "../harness/server.ts";
import { type Answer, bothTransports, closeAll, operationOf, type Transport } from "./operation-call.ts";

let server: TestServer;
let open: TestServer;
let transports: readonly [Transport, Transport];
let reader: string;

before(async () => {
  server = await startServer();
  open = await startServer({ args: ["--audit-public"] });
  transports = bothTransports(server);
  reader = (await call("tokens.create", { display_name: "reader", role: "reader" })).value["token"] as string;
  await call("keys.create", { name: "k" });
});

after(async () => {
  closeAll(transports);
  await server.remove();
  await open.remove();
});

function call(
  action: string,
  request: JsonObject = {},
  token = server.rootToken,
  over = transports[0],
): Promise<Answer> {
  return over.call(operationOf(action), request, { token });
}

async function logs() {
  const { keys } = (await call("audit.keys")).value as { keys: { vkey: string }[] };
  return { logs: keys.map(({ vkey }) => parseVkey(vkey)) };
}

async function get(path: string, headers: Record<string, string> = {}, at = server): Promise<Response> {
  return fetch(`${at.url}${path}`, { headers: { authorization: `Bearer ${at.rootToken}`, ...headers } });
}

/** The receipt that an answer carries. */
function receiptOf(headers: Headers): { readonly index: number; readonly proof: string } {
  const proof = Buffer.from(headers.get("bunkms-receipt") ?? "", "base64").toString();
  return { index: Number(headers.get("bunkms-audit-index")), proof };
}

test("REQ-29 who asks for it gets the proof of his call with its answer, of a success and of a refusal", async () => {
  for (const [path, status, outcome, word] of [
    ["/v1/keys/k", 200, "ok", "true"],
    ["/v1/keys/never", 404, "not_found", "TRUE"],
    ["/v1/nonsense", 404, "unknown_operation", "True"],
  ] as const) {
    const answer = await get(path, { "bunkms-receipt": word, "x-request-id": "mine" });
    assert.equal(answer.status, status);
    const { index, proof } = receiptOf(answer.headers);
    const parsed = parseTlogProof(proof);
    assert.equal(parsed.index, index);
    const { checkpoint } = verifyTlogProof(parsed, parsed.extra as Buffer, await logs());
    assert.ok(checkpoint.size > index);
    const entry = JSON.parse((parsed.extra as Buffer).toString());
    assert.deepEqual([entry.request_id, entry.outcome], ["mine", outcome]);
  }
});

test("nobody gets a receipt who does not ask for one, nor who is not let in", async () => {
  for (const value of [undefined, "false", "FALSE"]) {
    const { status, headers } = await get("/v1/keys/k", value === undefined ? {} : { "bunkms-receipt": value });
    const found = [status, headers.has("bunkms-receipt"), headers.has("bunkms-audit-index")];
    assert.deepEqual(found, [200, false, false]);
  }
  const stranger = await fetch(`${server.url}/v1/keys/k`, { headers: { "bunkms-receipt": "true" } });
  assert.deepEqual([stranger.status, stranger.headers.has("bunkms-receipt")], [401, false]);
});

/** Asks over gRPC for a key, and for a receipt by these words. */
async function grpcStatusOf(client: grpc.Client, name: string, ...receipts: string[]): Promise<grpc.StatusObject> {
  const { method } = operationOf("keys.get");
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${server.rootToken}`);
  for (const receipt of receipts) {
    metadata.add("bunkms-receipt", receipt);
  }
  const request = Buffer.concat([Buffer.of(10, name.length), Buffer.from(name)]);
  const path = `/${method.parent.typeName}/${method.name}`;
  const same = (bytes: Buffer): Buffer => bytes;
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, same, same, request, metadata, () => {}).on("status", resolve);
  });
}

test("gRPC gives the same receipt in its trailers", async () => {
  const client = new grpc.Client(server.grpcAddr, grpc.credentials.createInsecure());
  try {
    for (const [name, word] of [
      ["k", "true"],
      ["never", "TRUE"],
    ] as const) {
      const { metadata: trailers } = await grpcStatusOf(client, name, word);
      const proof = Buffer.from(String(trailers.get("bunkms-receipt")[0]), "base64").toString();
      const parsed = parseTlogProof(proof);
      assert.equal(String(parsed.index), trailers.get("bunkms-audit-index")[0]);
      verifyTlogProof(parsed, parsed.extra as Buffer, await logs());
    }
  } finally {
    client.close();
  }
});

test("what is neither a wish for a receipt nor none is refused, and changes nothing", async () => {
  const text = "bunkms-receipt is `true`, for a receipt with the answer, or `false`";
  for (const value of ["1", "yes", "true, true", "truely", ""]) {
    const answer = await fetch(`${server.url}/v1/keys`, {
      method: "POST",
      headers: { authorization: `Bearer ${server.rootToken}`, "bunkms-receipt": value },
      body: JSON.stringify({ name: "unwished" }),
    });
    const { code, error } = (await answer.json()) as JsonObject;
    assert.deepEqual([answer.status, code, error], [400, "invalid_request", text], value);
    assert.deepEqual([answer.headers.has("bunkms-receipt"), answer.headers.has("bunkms-audit-index")], [false, false]);
  }
  assert.equal((await call("keys.get", { name: "unwished" })).code, "not_found");
  const client = new grpc.Client(server.grpcAddr, grpc.credentials.createInsecure());
  try {
    for (const words of [["1"], ["true", "1"], ["true", "true"]]) {
      const { code, details } = await grpcStatusOf(client, "k", ...words);
      assert.deepEqual([code, details], [grpc.status.INVALID_ARGUMENT, text]);
    }
    assert.equal((await grpcStatusOf(client, "k", "False")).code, grpc.status.OK);
  } finally {
    client.close();
  }
});

test("a caller has the receipts of his own calls later, too; those of others only an admin has", async () => {
  for (const over of transports) {
    const answer = await fetch(`${server.url}/v1/keys/k`, {
      headers: { authorization: `Bearer ${reader}`, "bunkms-receipt": "true" },
    });
    const index = answer.headers.get("bunkms-audit-index") as string;
    const { value, code } = await call("audit.receipt", { index }, reader, over);
    assert.equal(code, "ok");
    const entry = Buffer.from(value["entry_b64"] as string, "base64");
    verifyTlogProof(parseTlogProof(value["proof"] as string), entry, await logs());
    assert.equal((await call("audit.receipt", { index: "0" }, reader, over)).code, "permission_denied");
    assert.equal((await call("audit.receipt", { index: "0" }, undefined, over)).code, "ok");
    assert.equal((await call("audit.receipt", { index: "999999" }, undefined, over)).code, "not_found");
    for (const bad of ["", "-1", "01", "1.5", "9999999999999999", "x"]) {
      assert.notEqual((await call("audit.receipt", { index: bad }, undefined, over)).code, "ok", bad);
    }
  }
});

test("checkpoint, tiles and bundles are those of C2SP tlog-tiles, and agree", async () => {
  const checkpoint = await get("/audit/checkpoint");
  assert.equal(checkpoint.headers.get("content-type"), "text/plain; charset=utf-8");
  assert.equal(checkpoint.headers.get("cache-control"), "no-store");
  const { size, root } = openCheckpoint(await checkpoint.text(), await logs()).checkpoint;
  const tile = await get(`/audit/tile/0/000.p/${size}`);
  assert.equal(tile.headers.get("content-type"), "application/octet-stream");
  assert.match(tile.headers.get("cache-control") ?? "", /immutable/);
  const hashes = tileHashes(Buffer.from(await tile.arrayBuffer()), size);
  const bundle = await get(`/audit/tile/entries/000.p/${size}`);
  assert.equal(bundle.headers.get("content-type"), "application/octet-stream");
  assert.equal(bundle.headers.get("cache-control"), "no-store");
  const entries = decodeBundle(Buffer.from(await bundle.arrayBuffer()), size);
  assert.deepEqual(entries.map(leafHash), hashes);
  const later = await openCheckpoint(await (await get("/audit/checkpoint")).text(), await logs()).checkpoint;
  const proof = (await call("audit.consistency", { from: String(size), to: String(later.size) })).value["hashes"];
  const path = (proof as string[]).map((hash) => Buffer.from(hash, "base64"));
  assert.equal(isConsistent(size, root, later.size, later.root, path), true);
});

test("what the log does not have is not found, and what no path of it is neither", async () => {
  for (const path of ["/audit/tile/0/000", "/audit/tile/9/000.p/1", "/audit/tile/entries/x001/000"]) {
    assert.equal((await get(path)).status, 404, path);
  }
  for (const path of [
    "/audit/tile/64/000.p/1",
    "/audit/tile/00/000.p/1",
    "/audit/tile/0/000.p/0",
    "/audit/tile/0/000.p/256",
    "/audit/tile/0/x000/000.p/1",
    "/audit/tile/0/0000.p/1",
    "/audit/tile/0/..%2f000.p/1",
    "/audit/tile/entries/000.p/1/",
    "/audit/tile/entries",
    "/audit",
    "/audit/",
  ]) {
    assert.ok([400, 404].includes((await get(path)).status), path);
  }
  for (const [from, to, text] of [
    [2, 1, /^from, 2, is larger than to, 1: the smaller size comes first$/],
    [1_000_000, 999_999, /^from, 1000000, is larger than to, 999999/],
    [0, 999_999, /^to, 999999, is larger than the audit log, which has [1-9]\d* entries$/],
    [999_999, 999_999, /^to, 999999, is larger than the audit log/],
  ] as const) {
    const answer = await call("audit.consistency", { from: String(from), to: String(to) });
    assert.equal(answer.code, "not_found");
    assert.match(answer.text, text);
  }
});

test("without the setting for it nothing of the log is shown without a token; with it hashes and keys are, entries never", async () => {
  const paths = ["/audit/checkpoint", "/audit/tile/0/000.p/1", "/v1/audit/keys", "/v1/audit/consistency/0/1"];
  const closed = ["/audit/tile/entries/000.p/1", "/v1/audit/receipts/0", "/v1/audit/entries", "/v1/audit/retention"];
  const sizeOf = async (at: TestServer): Promise<number> =>
    Number(((await (await get("/v1/audit/entries?page_size=1", {}, at)).json()) as JsonObject)["tree_size"]);
  for (const path of [...paths, ...closed]) {
    assert.equal((await fetch(`${server.url}${path}`)).status, 401, path);
  }
  await get("/v1/keys", { "bunkms-receipt": "true" }, open);
  const before = await sizeOf(open);
  for (const path of paths) {
    assert.equal((await fetch(`${open.url}${path}`)).status, 200, path);
  }
  // Watching the log does not make it grow: of all this, only the asking for its size is in it.
  assert.equal(await sizeOf(open), before + 1);
  for (const path of closed) {
    assert.equal((await fetch(`${open.url}${path}`)).status, 401, path);
  }
});

test("the log's key is rotated with a hand-over that both keys signed, and receipts verify by either", async () => {
  const before = await logs();
  const rotated = (await call("audit.rotate_key")).value as { vkey: string };
  const answer = await get("/v1/keys/k", { "bunkms-receipt": "true" });
  const proof = parseTlogProof(receiptOf(answer.headers).proof);
  verifyTlogProof(proof, proof.extra as Buffer, before);
  verifyTlogProof(proof, proof.extra as Buffer, { logs: [parseVkey(rotated.vkey)] });
  const { entries } = (await call("audit.list", { operation: "audit.rotate_key" })).value as { entries: JsonObject[] };
  assert.equal(((entries[0] as JsonObject)["response"] as JsonObject)["vkey"], rotated.vkey);
});

test("a hashed field is found in the log by its hash", async () => {
  const aad = "order 4711";
  await call("keys.encrypt", { key_name: "k", plaintext: "p", aad });
  const { entries } = (await call("audit.list", { operation: "keys.encrypt" })).value as { entries: JsonObject[] };
  const recorded = ((entries[0] as JsonObject)["request"] as JsonObject)["aad"];
  assert.equal((await call("audit.hash", { field: "aad", value: aad })).value["hash"], recorded);
  const inBytes = { field: "aad", value_b64: Buffer.from(aad).toString("base64") };
  assert.equal((await call("audit.hash", inBytes)).value["hash"], recorded);
  const other = (await call("audit.hash", { field: "context_b64", value: aad })).value["hash"];
  assert.match(other as string, /^hmac-sha256:/);
  assert.notEqual(other, recorded);
  assert.equal((await call("audit.hash", { field: "aad" })).code, "invalid_request");
  for (const over of transports) {
    // The one is nobody's; of the others one is recorded in clear, and one not at all.
    for (const field of ["nosuch", "key_name", "plaintext"]) {
      const refused = await call("audit.hash", { field, value: aad }, undefined, over);
      assert.equal(refused.code, "invalid_request");
      assert.match(refused.text, /^field: .*\baad\b.*\bcontext_b64\b/);
    }
  }
  assert.equal((await call("audit.hash", { field: "aad", value: aad }, reader)).code, "permission_denied");
});
