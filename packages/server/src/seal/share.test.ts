import assert from "node:assert/strict";
import { test } from "node:test";
import { bech32, bech32m } from "@scure/base";
import fc from "fast-check";
import { sha256 } from "../crypto/hash.ts";
import { randomBytes } from "../crypto/random.ts";
import {
  clusterFingerprint,
  encodeShare,
  parseShare,
  type Share,
  ShareError,
  type ShareFault,
  shareText,
} from "./share.ts";

const ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

function someShare(changes: Partial<Share> = {}): Share {
  const random = { fingerprint: clusterFingerprint(randomBytes(16)), set: randomBytes(4), value: randomBytes(32) };
  return { ...random, index: 2, threshold: 3, ...changes };
}

const plain = (share: Share): string => shareText(share).replaceAll("-", "");

/** The reason for which a text is refused; checks that the refusal says nothing of the share. */
function fault(text: string): ShareFault {
  try {
    parseShare(text);
  } catch (error) {
    if (!(error instanceof ShareError)) throw error;
    assert.equal(error.cause, undefined);
    // Eight signs in a row would be a part of the share, whatever it was grouped like.
    const said = `${error.message}${error.stack ?? ""}`.toLowerCase();
    const bare = text.toLowerCase().replace(/^bkms1?/, "");
    for (let at = 0; at + 8 <= bare.length; at++) assert.ok(!said.includes(bare.slice(at, at + 8)), error.message);
    return error.reason;
  }
  return assert.fail("a wrong share was taken");
}

test("REQ-26: a share comes back from its text, its hex and its base64 with all that it is bound to", () => {
  const arbitrary = fc.record(
    {
      fingerprint: fc.uint8Array({ minLength: 4, maxLength: 4 }).map(Buffer.from),
      set: fc.uint8Array({ minLength: 4, maxLength: 4 }).map(Buffer.from),
      index: fc.integer({ min: 1, max: 255 }),
      threshold: fc.integer({ min: 1, max: 255 }),
      value: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(Buffer.from),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(arbitrary, (share) => {
      const binary = encodeShare(share);
      for (const form of [shareText(share), binary.toString("hex"), binary.toString("base64")]) {
        assert.deepEqual(parseShare(form), share);
      }
    }),
    { numRuns: 300 },
  );
});

test("REQ-26: the text is 16 groups of five below bech32m's 90 characters, and the binary form ends in its checksum", () => {
  const share = someShare();
  assert.match(
    shareText(share),
    /^bkms1-([qpzry9x8gf2tvdw0s3jn54khce6mua7l]{5}-){14}[qpzry9x8gf2tvdw0s3jn54khce6mua7l]{5}$/,
  );
  assert.equal(plain(share).length, 80);
  const binary = encodeShare(share);
  assert.equal(binary.length, 47);
  assert.deepEqual(binary.subarray(43), sha256(binary.subarray(0, 43)).subarray(0, 4));
  assert.equal(binary.buffer.byteLength, 47);
});

test("a share is read however people write it: capitals, blanks, line ends, hyphens and what programs make of them", () => {
  const share = someShare();
  const text = shareText(share);
  const groups = text.split("-");
  for (const written of [
    plain(share),
    text.toUpperCase(),
    groups.join(" "),
    ` ${groups.join("  ")}\n`,
    groups.join("\r\n"),
    groups.join("\t"),
    groups.join(" - "),
    groups.join("\u2013"),
    groups.join("\u2014"),
    groups.join("\u2011"),
    groups.join("\u00a0"),
    `\ufeff${text}`,
    [...plain(share)].join(" "),
    [...plain(share)].join("-"),
  ]) {
    assert.deepEqual(parseShare(written), share);
  }
  const binary = encodeShare(share);
  for (const written of [
    binary.toString("hex").toUpperCase(),
    `${binary.toString("hex")}\n`,
    (binary.toString("hex").match(/.{1,16}/g) ?? []).join(" "),
    (binary.toString("base64").match(/.{1,16}/g) ?? []).join("\r\n"),
  ]) {
    assert.deepEqual(parseShare(written), share);
  }
});

test("REQ-26: every character of the text form changed to every other is found", () => {
  const text = plain(someShare());
  const others = `${ALPHABET}${ALPHABET.toUpperCase()}1bioBIO0_+/=.,~é`;
  let tried = 0;
  for (const at of text.split("").keys()) {
    for (const other of new Set(others)) {
      if (other === text[at]) continue;
      const reason = fault(text.slice(0, at) + other + text.slice(at + 1));
      assert.equal(reason, at >= 5 && ALPHABET.includes(other) ? "checksum" : "malformed", `${at}, ${other}`);
      tried += 1;
    }
  }
  assert.ok(tried > 80 * 60);
});

test("REQ-26: any two to four characters of the text form changed are found", () => {
  const text = plain(someShare());
  const changes = fc.uniqueArray(fc.tuple(fc.integer({ min: 5, max: 79 }), fc.integer({ min: 1, max: 31 })), {
    minLength: 2,
    maxLength: 4,
    selector: ([at]) => at,
  });
  fc.assert(
    fc.property(changes, (wrong) => {
      const signs = [...text];
      for (const [at, by] of wrong) {
        signs[at] = ALPHABET[(ALPHABET.indexOf(signs[at] ?? "") + by) % 32] ?? assert.fail();
      }
      assert.equal(fault(signs.join("")), "checksum");
    }),
    { numRuns: 3000 },
  );
});

test("REQ-26: neighbours exchanged, characters or groups lost, doubled or appended are found", () => {
  const share = someShare();
  const text = plain(share);
  for (let at = 0; at + 1 < text.length; at++) {
    const [a, b] = [text[at] ?? "", text[at + 1] ?? ""];
    if (a !== b) assert.match(fault(text.slice(0, at) + b + a + text.slice(at + 2)), /^(checksum|malformed)$/);
  }
  for (let at = 0; at < text.length; at++) {
    assert.equal(fault(text.slice(0, at)), "malformed");
    assert.equal(fault(text.slice(0, at) + text.slice(at + 1)), "malformed");
    assert.equal(fault(text.slice(0, at) + text.slice(at, at + 1) + text.slice(at)), "malformed");
  }
  for (const sign of ALPHABET) assert.equal(fault(text + sign), "malformed");
  assert.equal(fault(text + text), "malformed");
  const groups = shareText(share).split("-");
  for (let at = 1; at + 1 < groups.length; at++) {
    const exchanged = groups.with(at, groups[at + 1] ?? "").with(at + 1, groups[at] ?? "");
    if (groups[at] !== groups[at + 1]) assert.equal(fault(exchanged.join("-")), "checksum");
  }
});

test("REQ-26: every bit of the binary form changed is found, in hex and in base64, and every cut and byte too many", () => {
  const binary = encodeShare(someShare());
  for (let bit = 0; bit < 8 * binary.length; bit++) {
    const changed = Buffer.from(binary);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(fault(changed.toString("hex")), "checksum");
    assert.equal(fault(changed.toString("base64")), "checksum");
  }
  for (const wrong of [...binary.keys()].map((length) => binary.subarray(0, length))) {
    assert.equal(fault(wrong.toString("hex")), "malformed");
    assert.equal(fault(wrong.toString("base64")), "malformed");
  }
  const longer = Buffer.concat([binary, Buffer.alloc(1)]);
  assert.equal(fault(longer.toString("hex")), "malformed");
  assert.equal(fault(longer.toString("base64")), "malformed");
});

test("what only looks like a share is refused", () => {
  const share = someShare();
  const text = plain(share);
  const fields = encodeShare(share).subarray(0, 43);
  const words = bech32m.toWords(fields);
  const oddEnd = words.with(-1, (words.at(-1) ?? 0) | 1);
  const again = (at: number, value: number): string => {
    const changed = Buffer.from(fields);
    changed[at] = value;
    return bech32m.encode("bkms", bech32m.toWords(changed));
  };
  const base64 = encodeShare(share).toString("base64");
  const canonicalEnd = base64.at(-2) ?? assert.fail();
  const nextSign = String.fromCharCode(canonicalEnd.charCodeAt(0) + 1);
  const cases: readonly (readonly [what: string, text: string, reason: ShareFault])[] = [
    ["nothing", "", "malformed"],
    ["blanks", " \n ", "malformed"],
    ["the beginning alone", "bkms1", "malformed"],
    ["a token", `bkms_s_${"a".repeat(36)}`, "malformed"],
    ["a megabyte", "q".repeat(1_000_000), "malformed"],
    ["a share after a megabyte of blanks", " ".repeat(1_000_000) + text, "malformed"],
    ["mixed letters", text.slice(0, 40) + text.slice(40).toUpperCase(), "malformed"],
    ["bech32 without m", bech32.encode("bkms", words), "checksum"],
    ["another beginning", bech32m.encode("bkmt", words), "malformed"],
    ["another beginning of another length", bech32m.encode("bkmsx", words.slice(1)), "malformed"],
    ["last bits that are not zero", bech32m.encode("bkms", oddEnd), "malformed"],
    ["version 0", again(0, 0), "version"],
    ["version 2", again(0, 2), "version"],
    ["number 0", again(9, 0), "malformed"],
    ["threshold 0", again(10, 0), "malformed"],
    ["base64 of the URL's alphabet", base64.replace("=", "-"), "malformed"],
    ["base64 without padding", base64.slice(0, -1), "malformed"],
    ["base64 that is not canonical", `${base64.slice(0, -2)}${nextSign}=`, "malformed"],
    ["the letters of a similar alphabet", text.replace("bkms", "bkm\u0455"), "malformed"],
    ["full-width letters", text.replace("b", "\uff42"), "malformed"],
    ["a sign that becomes ASCII in small", text.toUpperCase().replace("K", "\u212a"), "malformed"],
    ["two shares", `${text} ${plain(someShare())}`, "malformed"],
  ];
  for (const [what, wrong, reason] of cases) assert.equal(fault(wrong), reason, what);
});

test("a share's value is in memory of its own, so that zeroing it zeroes it", () => {
  const share = someShare();
  const binary = encodeShare(share);
  for (const form of [shareText(share), binary.toString("hex"), binary.toString("base64")]) {
    const { value } = parseShare(form);
    assert.equal(value.buffer.byteLength, 43);
  }
});

test("fingerprints of clusters differ, and are the first four bytes of a labelled hash", () => {
  const cluster = Buffer.alloc(16, 7);
  const hash = sha256(Buffer.from("bunkms share cluster v1"), cluster);
  assert.deepEqual(clusterFingerprint(cluster), hash.subarray(0, 4));
  assert.notDeepEqual(clusterFingerprint(cluster), clusterFingerprint(Buffer.alloc(16, 8)));
});
