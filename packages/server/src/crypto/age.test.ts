import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { bech32, bech32m } from "@scure/base";
import { AGE_PROGRAMS, ensureAge } from "../../../../scripts/age-program.ts";
import { AgeRecipientError, type AgeRecipientFault, ageEncrypt, parseAgeRecipient } from "./age.ts";
import { randomBytes } from "./random.ts";
import { ephemeralX25519, publicOf } from "./x25519.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "bunkms-age-"));

before(ensureAge);
after(() => rmSync(FOLDER, { recursive: true }));

/** A new identity of the real age, in a file. */
function makeIdentity(name: string): { readonly file: string; readonly recipient: string } {
  const file = join(FOLDER, name);
  execFileSync(AGE_PROGRAMS.keygen, ["-o", file], { stdio: "ignore" });
  return { file, recipient: execFileSync(AGE_PROGRAMS.keygen, ["-y", file], { encoding: "utf8" }).trim() };
}

const decrypt = (identity: string, file: string): Buffer =>
  execFileSync(AGE_PROGRAMS.age, ["-d", "-i", identity], { input: file, stdio: ["pipe", "pipe", "ignore"] });

function fault(text: string): AgeRecipientFault {
  try {
    parseAgeRecipient(text);
  } catch (error) {
    if (error instanceof AgeRecipientError) return error.reason;
    throw error;
  }
  return assert.fail(`${text} was taken`);
}

test("REQ-13: age itself decrypts what is encrypted to its recipient, of any length, and for nobody else", () => {
  const own = makeIdentity("own");
  const other = makeIdentity("other");
  const recipient = parseAgeRecipient(own.recipient);
  for (const length of [0, 1, 95, 65_535, 65_536, 65_537, 131_072, 200_000]) {
    const message = randomBytes(length);
    const file = ageEncrypt(recipient, message);
    assert.deepEqual(decrypt(own.file, file), message, `${length} bytes`);
    assert.throws(() => decrypt(other.file, file));
    assert.notEqual(ageEncrypt(recipient, message), file);
  }
});

test("a file is strict PEM with the header of age's version 1", () => {
  const file = ageEncrypt(parseAgeRecipient(makeIdentity("form").recipient), Buffer.from("a share"));
  const lines = file.split("\n");
  assert.deepEqual(
    [lines[0], lines.at(-2), lines.at(-1)],
    ["-----BEGIN AGE ENCRYPTED FILE-----", "-----END AGE ENCRYPTED FILE-----", ""],
  );
  const body = lines.slice(1, -2);
  assert.ok(body.slice(0, -1).every((line) => line.length === 64));
  const bytes = Buffer.from(body.join(""), "base64");
  assert.equal(bytes.toString("base64"), body.join(""));
  assert.match(
    bytes.toString("latin1"),
    /^age-encryption\.org\/v1\n-> X25519 [A-Za-z0-9+/]{43}\n[A-Za-z0-9+/]{43}\n--- [A-Za-z0-9+/]{43}\n/,
  );
});

test("a recipient in capitals is the same one", () => {
  const { recipient } = makeIdentity("capitals");
  assert.deepEqual(parseAgeRecipient(recipient.toUpperCase()), parseAgeRecipient(recipient));
  // The example of the specification.
  parseAgeRecipient("age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj");
});

test("every character of a recipient changed, and every cut, is refused", () => {
  const { recipient } = makeIdentity("changed");
  for (const at of recipient.split("").keys()) {
    for (const other of "qpzry9x8gf2tvdw0s3jn54khce6mua7l") {
      if (other !== recipient[at]) fault(recipient.slice(0, at) + other + recipient.slice(at + 1));
    }
    assert.equal(fault(recipient.slice(0, at)), "malformed");
  }
  assert.equal(fault(`${recipient}q`), "malformed");
});

test("what is no recipient of the X25519 type is refused, and what may be one of another type is told so", () => {
  const words = bech32.toWords(publicOf(ephemeralX25519()));
  const { recipient } = makeIdentity("types");
  const cases: readonly (readonly [text: string, reason: AgeRecipientFault])[] = [
    ["", "malformed"],
    ["age1", "malformed"],
    ["alice@example.org", "malformed"],
    [` ${recipient}`, "malformed"],
    [`${recipient}\n`, "malformed"],
    [recipient.slice(0, 30) + recipient.slice(30).toUpperCase(), "malformed"],
    ["a".repeat(1_000_000), "malformed"],
    [bech32m.encode("age", words), "malformed"],
    [bech32.encode("agf", words), "malformed"],
    [bech32.encode("age", words.slice(0, -2)), "malformed"],
    [bech32.encode("age", words.with(-1, (words.at(-1) ?? 0) | 1)), "malformed"],
    // Points of small order: 0 and 1.
    [bech32.encode("age", bech32.toWords(Buffer.alloc(32))), "malformed"],
    [bech32.encode("age", bech32.toWords(Buffer.concat([Buffer.of(1), Buffer.alloc(31)]))), "malformed"],
    [bech32.encode("age-secret-key-", words, false).toUpperCase(), "malformed"],
    [bech32.encode("age1yubikey", words), "unsupported"],
    [bech32.encode("age1pq", bech32.toWords(randomBytes(1216)), false), "unsupported"],
    ["age1tag1qt8lw0ual6avlwmwatk888yqnmdamm7xfd0wak53ut6elz5c4swx2yqdj4e", "unsupported"],
    [`ssh-ed25519 ${Buffer.alloc(51).toString("base64")} alice`, "unsupported"],
    [`ssh-rsa ${Buffer.alloc(51).toString("base64")}`, "unsupported"],
  ];
  for (const [text, reason] of cases) assert.equal(fault(text), reason, text.slice(0, 40));
});
