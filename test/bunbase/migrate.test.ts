import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { folderDigest, MigrationTrial } from "./migration.ts";

interface Made {
  readonly name: string;
  readonly ciphertext: string;
  readonly version: number;
  readonly plaintext: Buffer;
  readonly aad: Buffer;
}

let trial: MigrationTrial;
let made: Made[];
let signatures: Record<"ecdsa" | "rsa", string>;
let created: Record<string, string>;
let digestBefore: string;
const DIGEST = createHash("sha256").update("a document").digest("base64");

before(async () => {
  trial = await MigrationTrial.start();
  made = [];
  await trial.withGo(async (go) => {
    for (const name of ["orders", "invoices", "leaked"]) {
      await go.post("/v1/keys", { name });
      for (const rotations of [0, 1, 2]) {
        for (const aad of [Buffer.alloc(0), Buffer.from("order 17"), randomBytes(20)]) {
          const plaintext = randomBytes(1 + rotations * 17);
          const request = { plaintext_b64: plaintext.toString("base64"), aad_b64: aad.toString("base64") };
          const answer = await go.post(`/v1/encrypt/${name}`, request);
          made.push({ name, plaintext, aad, ciphertext: String(answer["ciphertext"]), version: rotations + 1 });
        }
        await go.post(`/v1/keys/${name}/rotate`);
      }
    }
    await go.post("/v1/keys/leaked/revoke");
    await go.post("/v1/keys", { name: "zz-signer", type: "ecdsa-p256" });
    await go.post("/v1/keys", { name: "zz-stamp", type: "rsa-2048" });
    const sign = async (name: string) =>
      String((await go.post(`/v1/keys/${name}/sign`, { digest_b64: DIGEST }))["signature_b64"]);
    signatures = { ecdsa: await sign("zz-signer"), rsa: await sign("zz-stamp") };
    await go.post("/v1/secrets", { name: "zzz.db", value: "the first value" });
    await go.post("/v1/secrets", { name: "zzz.db", value: "hunter2" });
    await go.post("/v1/secrets", { name: "zzz.empty", value: "" });
    created = {
      orders: String((await go.get("/v1/keys/orders"))["created_at"]),
      secret: String((await go.get("/v1/secrets/zzz.db"))["created_at"]),
    };
  });
  digestBefore = folderDigest(trial.data);
});

after(() => trial.end());

const toMilliseconds = (time: unknown): string => new Date(String(time)).toISOString();

function decrypt({ name, ciphertext, aad }: Made) {
  return trial.call("POST", `/v1/decrypt/${name}`, { ciphertext, aad_b64: aad.toString("base64") });
}

test("--dry-run shows the plan and changes nothing, here or there", async () => {
  const run = await trial.migrate("--audit-log", trial.auditLog, "--dry-run");
  assert.equal(run.code, 0, run.stderr);
  assert.match(run.stdout, /Keys +5 to bring in, 0 there already, 0 in conflict/);
  assert.match(run.stdout, /leaked +aes-256 +4 +revoked/);
  assert.match(run.stdout, /RSA signatures that the Go server made do not verify here/);
  assert.deepEqual((await trial.call("GET", "/v1/keys")).body["keys"], []);
  assert.equal(folderDigest(trial.data), digestBefore);
});

test("nothing is done without a yes, and JSON needs one, too", async () => {
  for (const options of [[], ["--json"]]) {
    const run = await trial.migrate(...options);
    assert.equal(run.code, 2);
    assert.match(run.stderr, /nobody to ask/);
  }
});

test("keys come with versions, times and states, secrets with their times, and the server proves that it has them", async () => {
  const sample = join(trial.folder, "samples");
  const lines = made
    .filter(({ name }) => name === "orders")
    .map(({ ciphertext, aad }) => JSON.stringify({ ciphertext, aad_b64: aad.toString("base64") }));
  writeFileSync(sample, `${lines.join("\n")}\n`);
  const { body: backupKey } = await trial.call("GET", "/v1/backup-key");
  const options = ["--audit-log", trial.auditLog, "--sample", `orders:${sample}`, "--yes", "--json"];
  const wrong = await trial.migrate(...options, "--backup-key-fingerprint", "0".repeat(64));
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /another fingerprint; nothing was brought in/);
  const run = await trial.migrate(...options, "--backup-key-fingerprint", String(backupKey["fingerprint"]));
  assert.equal(run.code, 0, run.stderr);
  const report = JSON.parse(run.stdout) as Record<string, JsonObject>;
  assert.deepEqual(report["imported"], { keys: 5, secrets: 2 });
  assert.deepEqual(report["conflicts"], []);
  assert.deepEqual(report["verified"], {
    ...{ ciphertexts: 8, signatures: 4, samples: lines.length, secrets: 2 },
    ...{ disabled: ["leaked"], mismatches: [] },
  });
  const { body: orders } = await trial.call("GET", "/v1/keys/orders");
  assert.equal(orders["created_at"], toMilliseconds(created["orders"]));
  assert.equal(orders["latest_version"], 4);
  assert.equal(orders["legacy_versions"], 4);
  assert.equal((await trial.call("GET", "/v1/keys/leaked")).body["state"], "disabled");
  assert.equal((await trial.call("GET", "/v1/keys/zz-stamp")).body["legacy_versions"], 0);
  const { body: secret } = await trial.call("GET", "/v1/secrets/zzz.db");
  assert.equal(secret["value"], "hunter2");
  assert.equal(secret["created_at"], toMilliseconds(created["secret"]));
  assert.equal(folderDigest(trial.data), digestBefore);
});

test("what the Go server encrypted decrypts, alone and in batches, and is rewrapped to the new format", async () => {
  for (const one of made.filter(({ name }) => name !== "leaked")) {
    const { status, body } = await decrypt(one);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body["plaintext_b64"] ?? "", one.plaintext.toString("base64"));
    assert.equal(body["version"], one.version);
  }
  const orders = made.filter(({ name }) => name === "orders");
  const items = orders.map(({ ciphertext, aad }) => ({ ciphertext, aad_b64: aad.toString("base64") }));
  const { body: batch } = await trial.call("POST", "/v1/decrypt/orders/batch", { items });
  assert.equal(batch["failed"], 0);
  const [first = assert.fail()] = orders;
  const { body: rewrapped } = await trial.call("POST", "/v1/keys/orders/rewrap", { ciphertext: first.ciphertext });
  assert.match(String(rewrapped["ciphertext"]), /^bkms/);
  assert.equal(rewrapped["previous_version"], 1);
  assert.equal(rewrapped["version"], 4);
  const { body: again } = await decrypt({ ...first, ciphertext: String(rewrapped["ciphertext"]) });
  assert.equal(again["plaintext_b64"], first.plaintext.toString("base64"));
});

test("no other key opens that format, and no other form of it opens", async () => {
  const [one = assert.fail()] = made.filter(({ aad }) => aad.length > 0);
  await trial.call("POST", "/v1/keys", { name: "native" });
  const bytes = Buffer.from(one.ciphertext, "base64");
  const changed = (at: number) => {
    const copy = Buffer.from(bytes);
    copy[at] = (copy[at] as number) ^ 1;
    return copy.toString("base64");
  };
  for (const [request, code] of [
    [{ ...one, name: "native" }, "decryption_failed"],
    [{ ...one, name: "invoices" }, "decryption_failed"],
    [{ ...one, aad: Buffer.from("order 18") }, "decryption_failed"],
    [{ ...one, aad: Buffer.alloc(0) }, "decryption_failed"],
    ...[0, 3, 4, 16, bytes.length - 1].map((at) => [{ ...one, ciphertext: changed(at) }, "decryption_failed"] as const),
    [{ ...one, ciphertext: bytes.subarray(0, 31).toString("base64") }, "decryption_failed"],
    [{ ...one, ciphertext: bytes.subarray(0, -1).toString("base64") }, "decryption_failed"],
    [{ ...one, ciphertext: `${one.ciphertext}\n` }, "decryption_failed"],
    [{ ...one, name: "leaked" }, "wrong_key_state"],
  ] as const) {
    assert.equal((await decrypt(request)).body["code"], code);
  }
  const context = { ciphertext: one.ciphertext, context: { order: "17" } };
  assert.equal((await trial.call("POST", "/v1/decrypt/orders", context)).body["code"], "decryption_failed");
  // A version that was made here made no such ciphertext.
  await trial.call("POST", "/v1/keys/orders/rotate");
  const fifth = Buffer.from(bytes);
  fifth.writeUInt32BE(5);
  assert.equal((await decrypt({ ...one, ciphertext: fifth.toString("base64") })).body["code"], "decryption_failed");
});

test("an ECDSA signature of the Go server verifies here, and an RSA one does not", async () => {
  const verify = (name: string, signature: string, more: JsonObject) =>
    trial.call("POST", `/v1/keys/${name}/verify`, { digest_b64: DIGEST, signature_b64: signature, ...more });
  assert.equal((await verify("zz-signer", signatures.ecdsa, { encoding: "p1363" })).body["valid"], true);
  for (const algorithm of ["rsa-pkcs1-sha256", "rsa-pss-sha256"]) {
    assert.equal((await verify("zz-stamp", signatures.rsa, { algorithm })).body["valid"], false);
  }
});

test("the audit file is an attachment whose digest is in the log, and is read back as it was", async () => {
  const { stdout } = await trial.cli("audit", "attachments", "--json");
  const [attachment = assert.fail()] = (JSON.parse(stdout) as { attachments: JsonObject[] }).attachments;
  const content = readFileSync(trial.auditLog);
  const sha256 = createHash("sha256").update(content).digest("hex");
  assert.equal(attachment["sha256"], sha256);
  assert.equal(attachment["size"], content.length);
  const path = join(trial.folder, "again.log");
  const read = await trial.cli("audit", "attachment", String(attachment["name"]), "-o", path);
  assert.equal(read.code, 0, read.stderr);
  assert.ok(readFileSync(path).equals(content));
  const { body } = await trial.call("GET", "/v1/audit/entries?operation=attachments.finish");
  assert.equal((body["entries"] as { request: JsonObject }[])[0]?.request["sha256"], sha256);
});

test("a file of several parts is attached, again without harm, and never replaced", async () => {
  const path = join(trial.folder, "big.log");
  const content = randomBytes(1_200_000);
  writeFileSync(path, content);
  for (const _ of [1, 2]) {
    const attached = await trial.cli("audit", "attach", path);
    assert.equal(attached.code, 0, attached.stderr);
    assert.match(attached.stdout, /^big\.log {2}1200000 bytes {2}sha256 [0-9a-f]{64}$/m);
  }
  writeFileSync(path, content.subarray(1));
  assert.equal((await trial.cli("audit", "attach", path)).code, 5);
  assert.equal((await trial.cli("audit", "attach", path, "--name", "a/b")).code, 2);
  const back = join(trial.folder, "back.log");
  assert.equal((await trial.cli("audit", "attachment", "big.log", "-o", back)).code, 0);
  assert.ok(readFileSync(back).equals(content));
  assert.equal((await trial.cli("audit", "attachment", "big", "-o", back, "--force")).code, 4);
});

test("again, nothing is left to do; what is there and different is a conflict, and stays", async () => {
  const again = await trial.migrate("--audit-log", trial.auditLog, "--yes", "--json");
  assert.equal(again.code, 0, again.stderr);
  assert.deepEqual((JSON.parse(again.stdout) as JsonObject)["imported"], { keys: 0, secrets: 0 });
  await trial.call("POST", "/v1/secrets", { name: "zzz.empty", value: "another" });
  await trial.call("POST", "/v1/keys/leaked/enable");
  const run = await trial.migrate("--yes", "--json");
  assert.equal(run.code, 5, run.stderr);
  const { conflicts, verified } = JSON.parse(run.stdout) as Record<string, JsonObject & { name: string }[]>;
  assert.deepEqual(conflicts?.map(({ name }) => name).sort(), ["leaked", "zzz.empty"]);
  assert.deepEqual(verified?.["mismatches"], []);
  assert.equal((await trial.call("GET", "/v1/secrets/zzz.empty")).body["value"], "another");
});

test("samples that cannot be are told from samples that do not decrypt", async () => {
  const file = join(trial.folder, "wrong");
  writeFileSync(file, `${made[0]?.ciphertext}\nAAAA\n${randomBytes(60).toString("base64")}\n`);
  const run = await trial.migrate("--yes", "--json", "--sample", `orders:${file}`, "--sample", `nobody:${file}`);
  assert.equal(run.code, 7, run.stderr);
  const { verified } = JSON.parse(run.stdout) as { verified: { samples: number; mismatches: { reason: string }[] } };
  assert.equal(verified.samples, 1);
  assert.equal(verified.mismatches.length, 5);
});
