import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { BunkmsError } from "@bunkms/contract";
import { recipientOf } from "../packages/server/src/crypto/hpke.ts";
import { secretKey } from "../packages/server/src/crypto/keys.ts";
import { readBackupContent } from "../packages/server/src/vault/backup-content.ts";
import { decodeBackup, openBackup } from "../packages/server/src/vault/backup-form.ts";
import { type BackupFile, type BackupVector, backupFile } from "./vectors/backup-vectors.ts";

const read = (name: string): BackupFile =>
  JSON.parse(readFileSync(new URL(`vectors/${name}`, import.meta.url), "utf8")) as BackupFile;

const OURS = read("backup.json");
/** What Go's standard library sealed; clients/go/envelope/backup_test.go writes it. */
const OF_GO = read("backup-go.json");

const seedOf = ({ seed }: BackupVector) => secretKey(Buffer.from(seed, "hex"));

test("backup.json has the vectors that its generator makes; HPKE draws their bytes", () => {
  const drawn = ({ vectors }: BackupFile) => vectors.map((vector) => ({ ...vector, backup: vector.backup.length }));
  assert.deepEqual(drawn(OURS), drawn(backupFile()));
  assert.equal(OF_GO.vectors.length, 2);
});

for (const vector of [...OURS.vectors, ...OF_GO.vectors]) {
  const title = vector.outcome === "opens" ? "backup that opens" : "REQ-14, REQ-17: backup that is refused";
  test(`${title}: ${vector.name}`, () => {
    const open = () => openBackup(seedOf(vector), decodeBackup(vector.backup)).toString("hex");
    switch (vector.outcome) {
      case "opens":
        assert.equal(open(), vector.content);
        break;
      case "decryption_failed":
        assert.throws(open, (error) => error instanceof BunkmsError && error.code === vector.outcome);
        break;
      default:
        assert.fail(`unknown outcome ${vector.outcome}`);
    }
  });
}

test("the content of the first vector is read as the key that the document describes", async () => {
  const vector = OURS.vectors[0] ?? assert.fail();
  const { record, versions, usage } = await readBackupContent(
    openBackup(seedOf(vector), decodeBackup(vector.backup)),
    Date.now(),
  );
  assert.deepEqual(
    [record.name, record.type, record.purpose, record.state, record.latestVersion],
    ["invoices", "aes-256", "encrypt", "enabled", 2],
  );
  assert.deepEqual(
    versions.map(({ record: { state }, material }) => [state, material?.length]),
    [
      ["enabled", 32],
      ["disabled", 32],
    ],
  );
  assert.equal(usage.versions[0]?.uses, 5n);
});

test("the fingerprint in a header is that of the cluster's public key", () => {
  const vector = OURS.vectors[0] ?? assert.fail();
  const header = decodeBackup(vector.backup).subarray(0, 36);
  assert.deepEqual(header.subarray(4), recipientOf(seedOf(vector)).fingerprint);
  assert.equal(vector.backup.startsWith("bkmb"), true);
});
