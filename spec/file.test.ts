import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { MakeStreamCipher } from "../packages/client/src/crypto/stream-cipher.ts";
import { makeWebStreamCipher } from "../packages/client/src/crypto/web-stream-cipher.ts";
import { FileCipherError } from "../packages/client/src/file/file-error.ts";
import type { FileHeader } from "../packages/client/src/file/header.ts";
import { makeNodeStreamCipher } from "../packages/client/src/file/node-stream-cipher.ts";
import { openFile } from "../packages/client/src/file/open-file.ts";
import { SEGMENT_LENGTH } from "../packages/client/src/file/segments.ts";
import { type FileVector, type FileVectors, fileVectors } from "./vectors/file-vectors.ts";

const FILE = JSON.parse(readFileSync(new URL("vectors/file.json", import.meta.url), "utf8")) as FileVectors;
const SPEC = readFileSync(new URL("file.md", import.meta.url), "utf8");

/** What came of a file: the plaintext that was handed on, what the header says, and the error's code. */
async function read(vector: FileVector, chunkLength: number, makeCipher: MakeStreamCipher) {
  const bytes = Buffer.concat(
    vector.file.map((part) => (typeof part === "number" ? Buffer.alloc(part) : Buffer.from(part, "hex"))),
  );
  async function* source() {
    for (let at = 0; at < bytes.length; at += chunkLength) {
      yield bytes.subarray(at, at + chunkLength);
    }
  }
  const dataKey = Buffer.from(vector.data_key, "hex");
  const released: Uint8Array[] = [];
  let header: FileHeader | undefined;
  const unwrap = async (said: FileHeader) => {
    header = said;
    return dataKey;
  };
  try {
    for await (const piece of openFile(unwrap, source(), makeCipher)) {
      released.push(piece);
    }
  } catch (error) {
    assert.ok(error instanceof FileCipherError, String(error));
    return { released: Buffer.concat(released), header, dataKey, outcome: error.code };
  }
  return { released: Buffer.concat(released), header, dataKey, outcome: "opens" };
}

test("file.json is what its generator makes, and each vector has a name of its own", () => {
  assert.deepEqual(FILE, JSON.parse(JSON.stringify(fileVectors())));
  assert.equal(new Set(FILE.vectors.map(({ name }) => name)).size, FILE.vectors.length);
});

for (const vector of FILE.vectors) {
  test(`${vector.outcome === "opens" ? "file that opens" : "REQ-14, REQ-17: file that is refused"}: ${vector.name}`, async () => {
    for (const [chunkLength, makeCipher] of [
      [1024 * 1024, makeNodeStreamCipher],
      [1000, makeNodeStreamCipher],
      [1024 * 1024, makeWebStreamCipher],
    ] as const) {
      const { released, header, dataKey, outcome } = await read(vector, chunkLength, makeCipher);
      assert.equal(outcome, vector.outcome);
      assert.equal(released.length, vector.released);
      assert.equal(createHash("sha256").update(released).digest("hex"), vector.sha256);
      if (header !== undefined) {
        assert.ok(
          dataKey.every((byte) => byte === 0),
          "the data key is zeroed",
        );
      }
      if (outcome === "opens") {
        assert.equal(header?.keyName, vector.key_name);
        assert.equal(header?.wrappedDataKey, vector.wrapped_data_key);
        const kind = vector.additional_data === null ? "none" : "raw" in vector.additional_data ? "raw" : "context";
        assert.equal(header?.binding, kind);
      }
    }
  });
}

test("spec/file.md names every outcome and the length of a segment", () => {
  for (const { outcome } of FILE.vectors) {
    assert.ok(SPEC.includes(`\`${outcome}\``), outcome);
  }
  assert.ok(SPEC.includes(`Every segment but the last has ${SEGMENT_LENGTH.toLocaleString("en")} bytes`));
});
