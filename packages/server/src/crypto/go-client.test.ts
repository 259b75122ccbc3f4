import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { SuiteKey, SuiteVector } from "../../../../spec/vectors/suite-vector.ts";
import { encodeAdditionalData } from "./additional-data.ts";
import { encodeText } from "./ciphertext.ts";
import { deriveVersion } from "./derived-version.ts";
import { findKeyType, keyTypeNames } from "./key-types.ts";
import { randomBytes } from "./random.ts";

const CLIENT = fileURLToPath(new URL("../../../../clients/go", import.meta.url));

test("the Go client opens what every cipher encrypts, where Go's standard library has the cipher", async () => {
  const keys: SuiteKey[] = [];
  const vectors: SuiteVector[] = [];
  for (const name of keyTypeNames()) {
    const type = findKeyType(name);
    if (!type?.ciphers) continue;
    const { material } = await type.generate();
    keys.push({ name, key_type: name, material: material.toString("hex") });
    const version = { keyId: randomBytes(16), version: 3, key: type.load(material) };
    const raw = { kind: "raw", bytes: Buffer.from("invoice 17") } as const;
    for (const given of [{ kind: "none" }, raw] as const) {
      const aad = encodeAdditionalData(given);
      for (const derived of type.derivable ? [false, true] : [false]) {
        for (const cipher of type.ciphers) {
          const plaintext = randomBytes(50);
          const made = await cipher.encrypt(derived ? deriveVersion(version, aad) : version, plaintext, aad);
          vectors.push({
            name: `${name}, ${cipher.name}, ${given.kind}, ${derived ? "derived" : "not derived"}`,
            suite: cipher.suite.toString(16).padStart(4, "0"),
            key: name,
            derived,
            additional_data: given.kind === "raw" ? { raw: given.bytes.toString("hex") } : null,
            additional_data_encoded: aad.toString("hex"),
            ciphertext: encodeText(made.ciphertext),
            outcome: "opens",
            plaintext: plaintext.toString("hex"),
            key_id: version.keyId.toString("hex"),
            version: 3,
          });
        }
      }
    }
  }
  const folder = mkdtempSync(join(tmpdir(), "bunkms-go-"));
  try {
    const file = join(folder, "ciphertexts.json");
    writeFileSync(file, JSON.stringify({ keys, vectors }), { mode: 0o600 });
    const output = execFileSync("go", ["test", "-count=1", "-v", "-run", "^TestSuiteVectors$", "./envelope"], {
      cwd: CLIENT,
      encoding: "utf8",
      env: { ...process.env, BUNKMS_CIPHERTEXTS: file },
    });
    // Of symmetric types: three ciphers, with and without additional data, derived and not. RSA: four, in three sizes.
    assert.match(output, new RegExp(`${3 * 2 * 2 + 4 * 3 * 2} vectors were read`));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
