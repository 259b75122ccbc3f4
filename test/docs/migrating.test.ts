import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { GO_MASTER_KEY, startGoKms } from "../bunbase/go-kms.ts";
import { ROOT } from "./documents.ts";
import { Reader } from "./reader.ts";
import { readTour } from "./tour.ts";

const PAGE = readFileSync(join(ROOT, "docs", "migrating-from-bunkms-go.md"), "utf8");

test("every command of docs/migrating-from-bunkms-go.md does what the page says", { timeout: 180_000 }, async () => {
  const reader = new Reader("docs/migrating-from-bunkms-go.md");
  try {
    await makeGoServer(join(reader.env["HOME"] as string, "go-kms"));
    const blocks = ["The way", "Afterwards"].flatMap((heading) => readTour(PAGE, heading));
    assert.equal(blocks.length, PAGE.split("\n").filter((line) => line === "```sh").length);
    for (const block of blocks) {
      await reader.follow(block);
    }
    assert.equal(reader.executed, blocks.length);
  } finally {
    await reader.leave();
  }
});

/** What the page's reader has of the Go server, which was killed once. */
async function makeGoServer(folder: string): Promise<void> {
  mkdirSync(folder);
  const [data, auditLog] = [join(folder, "data"), join(folder, "go-audit.log")];
  writeFileSync(join(folder, "master.key"), `${GO_MASTER_KEY}\n`, { mode: 0o600 });
  const go = await startGoKms({ BUNKMS_DATA_PATH: data, BUNKMS_AUDIT_LOG: auditLog });
  const samples: string[] = [];
  for (const name of ["invoices", "orders"]) {
    await go.post("/v1/keys", { name });
  }
  for (const plaintext of ["attack at dawn", "attack at noon"]) {
    const { ciphertext } = await go.post("/v1/encrypt/orders", { plaintext, aad: "order 17" });
    samples.push(JSON.stringify({ ciphertext, aad: "order 17" }));
    await go.post("/v1/keys/orders/rotate");
  }
  writeFileSync(join(folder, "orders.jsonl"), `${samples.join("\n")}\n`);
  await go.post("/v1/keys/invoices/revoke");
  await go.post("/v1/keys", { name: "signer", type: "ecdsa-p256" });
  await go.post("/v1/keys", { name: "stamp", type: "rsa-2048" });
  await go.post("/v1/secrets", { name: "zone.db", value: "hunter2" });
  await go.stop();
  const killed = await startGoKms({ BUNKMS_DATA_PATH: data, BUNKMS_AUDIT_LOG: auditLog });
  await killed.post("/v1/secrets", { name: "gone", value: "1" });
  await killed.kill();
}
