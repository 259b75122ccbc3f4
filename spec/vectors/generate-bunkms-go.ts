/** Makes ciphertext-bunkms-go.json anew: `node spec/vectors/generate-bunkms-go.ts`. It runs the real Go BunKMS, and needs Go. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readContents } from "../../packages/cli/src/migrate/bunkms-go/contents.ts";
import { GO_MASTER_KEY, startGoKms } from "../../test/bunbase/go-kms.ts";

/** A ciphertext of the Go BunKMS, and what becomes of it. Bytes are hexadecimal. */
export interface LegacyVector {
  readonly name: string;
  /** Of the version that the ciphertext names. */
  readonly key: string;
  readonly version: number;
  readonly aad: string;
  readonly ciphertext: string;
  readonly outcome: "opens" | "decryption_failed";
  readonly plaintext?: string;
}

const CASES: readonly (readonly [name: string, rotations: number, plaintext: Buffer, aad: Buffer])[] = [
  ["nothing, under version 1", 0, Buffer.alloc(0), Buffer.alloc(0)],
  ["text with additional data", 0, Buffer.from("attack at dawn"), Buffer.from("order 17")],
  ["text that is not ASCII", 0, Buffer.from("Übermorgen – 明後日"), Buffer.from("größe")],
  ["bytes, under version 2", 1, randomBytes(100), randomBytes(33)],
  ["bytes, under version 4", 2, randomBytes(1000), Buffer.of(0, 1, 2)],
];

async function make(): Promise<readonly LegacyVector[]> {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-vectors-"));
  try {
    const go = await startGoKms({ BUNKMS_DATA_PATH: folder });
    const made: { name: string; aad: Buffer; plaintext: Buffer; ciphertext: Buffer }[] = [];
    await go.post("/v1/keys", { name: "k" });
    for (const [name, rotations, plaintext, aad] of CASES) {
      for (let i = 0; i < rotations; i++) {
        await go.post("/v1/keys/k/rotate");
      }
      const request = { plaintext_b64: plaintext.toString("base64"), aad_b64: aad.toString("base64") };
      const { ciphertext } = await go.post("/v1/encrypt/k", request);
      made.push({ name, aad, plaintext, ciphertext: Buffer.from(String(ciphertext), "base64") });
    }
    await go.stop();
    const order = { folder, auditLogs: [], olderKeys: false, now: Date.now() };
    const { keys } = await readContents(order, Buffer.from(GO_MASTER_KEY, "hex"));
    const vectors = made.map(({ name, aad, plaintext, ciphertext }): LegacyVector => {
      const version = ciphertext.readUInt32BE(0);
      const key = keys[0]?.versions[version - 1]?.material.toString("hex") ?? "";
      const bytes = { aad: aad.toString("hex"), ciphertext: ciphertext.toString("base64") };
      return { name, key, version, ...bytes, outcome: "opens", plaintext: plaintext.toString("hex") };
    });
    return [...vectors, ...broken(vectors[1] as LegacyVector)];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function broken(good: LegacyVector): readonly LegacyVector[] {
  const { plaintext: _, ...rest } = good;
  const bytes = Buffer.from(good.ciphertext, "base64");
  const changed = (at: number): string => {
    const copy = Buffer.from(bytes);
    copy[at] = (copy[at] as number) ^ 1;
    return copy.toString("base64");
  };
  const failing = (name: string, changes: Partial<LegacyVector>): LegacyVector => ({
    ...rest,
    ...changes,
    name,
    outcome: "decryption_failed",
  });
  return [
    failing("other additional data", { aad: Buffer.from("order 18").toString("hex") }),
    failing("no additional data", { aad: "" }),
    failing("another nonce", { ciphertext: changed(4) }),
    failing("another byte of the data", { ciphertext: changed(16) }),
    failing("another byte of the tag", { ciphertext: changed(bytes.length - 1) }),
    failing("a byte less", { ciphertext: bytes.subarray(0, -1).toString("base64") }),
    failing("shorter than version, nonce and tag", { ciphertext: bytes.subarray(0, 31).toString("base64") }),
  ];
}

if (import.meta.main) {
  const path = new URL("ciphertext-bunkms-go.json", import.meta.url);
  writeFileSync(path, `${JSON.stringify({ vectors: await make() }, null, 2)}\n`);
}
