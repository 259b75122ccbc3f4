import assert from "node:assert/strict";
import { test } from "node:test";
import { NoteMalformed } from "./text-form.ts";
import { formatTlogProof, parseTlogProof, type TlogProof } from "./tlog-proof.ts";

// C2SP tlog-checkpoint's example.
const CHECKPOINT =
  "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
// Hashes of C2SP tlog-proof's example.
const HASHES = ["gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=", "B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA="];
const PATH = HASHES.map((hash) => Buffer.from(hash, "base64"));
const TEXT = `c2sp.org/tlog-proof@v1\nextra AAE=\nindex 73894\n${HASHES.join("\n")}\n\n${CHECKPOINT}`;

for (const [what, text, proof] of [
  ["with extra data", TEXT, { extra: Buffer.of(0, 1), index: 73_894, path: PATH, checkpoint: CHECKPOINT }],
  ["without", TEXT.replace("extra AAE=\n", ""), { index: 73_894, path: PATH, checkpoint: CHECKPOINT }],
  [
    "with empty extra data",
    TEXT.replace("AAE=", ""),
    { extra: Buffer.alloc(0), index: 73_894, path: PATH, checkpoint: CHECKPOINT },
  ],
  [
    "of the only entry",
    `c2sp.org/tlog-proof@v1\nindex 0\n\n${CHECKPOINT}`,
    { index: 0, path: [], checkpoint: CHECKPOINT },
  ],
] as const) {
  test(`a proof ${what} is read and written`, () => {
    assert.deepEqual(parseTlogProof(text), proof);
    assert.deepEqual(parseTlogProof(Buffer.from(text)), proof);
    assert.equal(formatTlogProof(proof), text);
  });
}

test("a proof that is cut anywhere before its last signature is refused", () => {
  for (let i = 0; i < TEXT.length; i++) {
    assert.throws(() => parseTlogProof(TEXT.slice(0, i)), NoteMalformed, `cut at ${i}`);
  }
});

for (const [what, text] of [
  ["of another version", TEXT.replace("@v1", "@v2")],
  ["with a space behind its header", TEXT.replace("@v1", "@v1 ")],
  ["without its header", TEXT.replace("c2sp.org/tlog-proof@v1\n", "")],
  ["with a byte order mark", `\ufeff${TEXT}`],
  ["with CR LF", TEXT.replaceAll("\n", "\r\n")],
  ["with extra data twice", TEXT.replace("extra AAE=\n", "extra AAE=\nextra AAE=\n")],
  ["with extra data behind its index", TEXT.replace("extra AAE=\nindex 73894\n", "index 73894\nextra AAE=\n")],
  ["with extra data that is not canonical", TEXT.replace("AAE=", "AAF=")],
  ["with an extra line of nothing", TEXT.replace("extra AAE=", "extra")],
  ["without its index", TEXT.replace("index 73894\n", "")],
  ["with another word for its index", TEXT.replace("index 73894", "entry 73894")],
  ["with its index twice", TEXT.replace("index 73894\n", "index 73894\nindex 73894\n")],
  ["with a leading zero", TEXT.replace("73894", "073894")],
  ["with a negative index", TEXT.replace("73894", "-1")],
  ["with an index of 64 bits", TEXT.replace("73894", "18446744073709551615")],
  ["with two spaces", TEXT.replace("index ", "index  ")],
  ["with a short hash", TEXT.replace("gSKyXoYZ", "gSKy")],
  ["with a hash that is not canonical", TEXT.replace("PlQ=", "PlR=")],
  ["with an empty line too many", TEXT.replace("\n\n", "\n\n\n")],
  ["without an empty line", TEXT.replace("\n\n", "\n")],
  ["with a path that is too long", TEXT.replace("index 73894\n", `index 73894\n${`${HASHES[0]}\n`.repeat(62)}`)],
  ["with more extra data than an entry has", TEXT.replace("AAE=", Buffer.alloc(65_536).toString("base64"))],
  ["that is far too long", `${TEXT}${"x".repeat(2 ** 21)}`],
  ["without its checkpoint's signatures", TEXT.slice(0, TEXT.indexOf("—"))],
] as const) {
  test(`a proof ${what} is refused`, () => {
    assert.throws(() => parseTlogProof(text), NoteMalformed);
  });
}

test("a proof with a path of 63 hashes and as much extra data as an entry is read", () => {
  const proof: TlogProof = {
    extra: Buffer.alloc(65_535, 1),
    index: Number.MAX_SAFE_INTEGER,
    path: Array.from({ length: 63 }, () => PATH[0] as Buffer),
    checkpoint: CHECKPOINT,
  };
  assert.deepEqual(parseTlogProof(formatTlogProof(proof)), proof);
});

test("what would be read as another proof is not written", () => {
  const proof: TlogProof = { index: 0, path: PATH, checkpoint: CHECKPOINT };
  for (const change of [
    { index: -1 },
    { index: 0.5 },
    { index: 2 ** 53 },
    { path: [Buffer.alloc(0)] },
    { path: [Buffer.alloc(33)] },
    { checkpoint: "" },
    { checkpoint: `${HASHES[0]}\n\n${CHECKPOINT}` },
    { checkpoint: CHECKPOINT.replace("20852163", "x") },
    { extra: Buffer.alloc(65_536) },
  ]) {
    assert.throws(() => formatTlogProof({ ...proof, ...change }), NoteMalformed);
  }
});
