import assert from "node:assert/strict";
import { globSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { randomBytes } from "../../packages/server/src/crypto/random.ts";
import type { Order, Pkcs11Mechanism } from "../../packages/server/src/seal/pkcs11/order.ts";
import { unwrapOnToken, wrapOnToken } from "../../packages/server/src/seal/pkcs11/token.ts";
import { type Pkcs11Options, pkcs11Seal } from "../../packages/server/src/seal/pkcs11.ts";
import { type Seal, SealFailure, SealUnavailable } from "../../packages/server/src/seal/seal.ts";
import { mustRun } from "../../scripts/run-program.ts";
import { PIN, type SoftHsm, startSoftHsm } from "./softhsm.ts";

const CONTEXT = Buffer.from("cluster 1, slot 1");
const NEVER = new AbortController().signal;
const WORKING: readonly (readonly [Pkcs11Mechanism, string])[] = [
  ["aes-gcm", "root"],
  ["aes-kw", "root"],
  ["rsa-oaep-sha1", "pair"],
];

let hsm: SoftHsm;

before(async () => {
  hsm = startSoftHsm();
  await hsm.addToken("vault");
  await hsm.addToken("other");
  await hsm.tool("vault", "--keygen", "--key-type", "AES:32", "--label", "root", "--id", "01", "--sensitive");
  await hsm.tool("vault", "--keypairgen", "--key-type", "RSA:2048", "--label", "pair", "--id", "02", "--sensitive");
  await hsm.tool("vault", "--keygen", "--key-type", "AES:32", "--label", "twin", "--id", "0a", "--sensitive");
  await hsm.tool("vault", "--keygen", "--key-type", "AES:32", "--label", "twin", "--id", "0b", "--sensitive");
  const loose = ["--sensitive", "--extractable"];
  await hsm.tool("vault", "--keygen", "--key-type", "AES:32", "--label", "loose", "--id", "03", ...loose);
  await hsm.tool("vault", "--keygen", "--key-type", "AES:32", "--label", "open", "--id", "04", "--extractable");
});

after(() => hsm.remove());

function options(changes: Partial<Pkcs11Options> = {}): Pkcs11Options {
  const readPin = (): Buffer => Buffer.from(PIN);
  return { module: hsm.module, token: "vault", keyLabel: "root", readPin, timeoutMs: 60_000, ...changes };
}

async function using<T>(changes: Partial<Pkcs11Options>, use: (seal: Seal) => Promise<T>): Promise<T> {
  const seal = await pkcs11Seal(options(changes));
  try {
    return await use(seal);
  } finally {
    await seal.close();
  }
}

/** Wraps, and says what came of it. */
async function failureOf(changes: Partial<Pkcs11Options>): Promise<Error> {
  return using(changes, (seal) => rejection(seal.wrap(randomBytes(32), CONTEXT, NEVER)));
}

async function rejection(promise: Promise<unknown>): Promise<Error> {
  const error = await promise.then(
    () => new Error("nothing was refused"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Error);
  return error;
}

function openFiles(): number {
  return readdirSync("/proc/self/fd").length;
}

function children(): readonly string[] {
  const list = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8");
  return list.split(" ").filter((pid) => pid !== "");
}

function assertUnavailable(error: Error, text: RegExp): void {
  assert.ok(error instanceof SealUnavailable, String(error));
  assert.match(error.message, text);
}

for (const [mechanism, keyLabel] of WORKING) {
  test(`what ${mechanism} wraps, another seal of the same key opens, whatever mechanism it is set to`, async () => {
    const rootKey = randomBytes(32);
    const wrapped = await using({ mechanism, keyLabel }, (seal) => seal.wrap(rootKey, CONTEXT, NEVER));
    assert.equal(wrapped.includes(rootKey), false);
    assert.ok(wrapped.includes(keyLabel), "an operator sees which key it was");
    const opened = await using({ keyLabel, mechanism: "rsa-oaep" }, (seal) => seal.unwrap(wrapped, CONTEXT, NEVER));
    assert.deepEqual(opened, rootKey);
  });

  test(`what ${mechanism} wrapped does not open in another context`, async () => {
    await using({ mechanism, keyLabel }, async (seal) => {
      const wrapped = await seal.wrap(randomBytes(32), CONTEXT, NEVER);
      const error = await rejection(seal.unwrap(wrapped, Buffer.from("cluster 2, slot 1"), NEVER));
      assert.ok(error instanceof SealFailure, String(error));
    });
  });
}

/** An order to the token, carried out in this process: the same as in one of its own, and quicker. */
function order(mechanism: Pkcs11Mechanism, keyLabel: string, action: Order["action"]): Order {
  return { action, module: hsm.module, token: "vault", keyLabel, keyId: "", mechanism };
}

for (const [mechanism, keyLabel] of WORKING) {
  test(`a byte changed anywhere in what ${mechanism} wrapped is refused`, () => {
    const pin = Buffer.from(PIN);
    const wrapped = wrapOnToken(order(mechanism, keyLabel, "wrap"), pin, randomBytes(32), CONTEXT);
    for (const position of wrapped.keys()) {
      const changed = Buffer.from(wrapped);
      changed.writeUInt8(changed.readUInt8(position) ^ 1, position);
      assert.throws(
        () => unwrapOnToken(order(mechanism, keyLabel, "unwrap"), pin, changed, CONTEXT),
        // Position 1 names another mechanism, for which the token has no key of that label.
        (error) => error instanceof SealFailure || (position === 1 && error instanceof SealUnavailable),
        `position ${position}`,
      );
    }
  });

  test(`what ${mechanism} wrapped is refused when it is cut short or made longer`, () => {
    const pin = Buffer.from(PIN);
    const wrapped = wrapOnToken(order(mechanism, keyLabel, "wrap"), pin, randomBytes(32), CONTEXT);
    const forms = [0, 1, 2, 3, 8, 9, 12, 20, wrapped.length - 1].map((length) => wrapped.subarray(0, length));
    forms.push(...[1, 8, 5000].map((more) => Buffer.concat([wrapped, Buffer.alloc(more)])), Buffer.alloc(60_000, 0xff));
    for (const form of forms) {
      const unwrap = (): Buffer => unwrapOnToken(order(mechanism, keyLabel, "unwrap"), pin, form, CONTEXT);
      assert.throws(unwrap, SealFailure, `${form.length} bytes`);
    }
  });
}

test("three hundred sessions in one process leave none behind", () => {
  const pin = Buffer.from(PIN);
  const rootKey = randomBytes(32);
  const wrapped = wrapOnToken(order("aes-gcm", "root", "wrap"), pin, rootKey, CONTEXT);
  const before = openFiles();
  for (let cycle = 0; cycle < 300; cycle += 1) {
    assert.deepEqual(unwrapOnToken(order("aes-gcm", "root", "unwrap"), pin, wrapped, CONTEXT), rootKey);
  }
  assert.ok(openFiles() <= before, `${openFiles()} open files, ${before} before`);
});

test("what another key wrapped is refused, and both keys are named", async () => {
  const wrapped = await using({ keyLabel: "twin", keyId: "0A" }, (seal) => seal.wrap(randomBytes(32), CONTEXT, NEVER));
  const error = await using({ keyLabel: "twin", keyId: "0b" }, (seal) =>
    rejection(seal.unwrap(wrapped, CONTEXT, NEVER)),
  );
  assert.ok(error instanceof SealFailure);
  assert.match(error.message, /wrapped by the key "twin" \(id 0a\), not by "twin" \(id 0b\)/);
});

test("RSA-OAEP with SHA-256, which SoftHSM2 does not do, is refused by its name and not replaced", async () => {
  const error = await failureOf({ mechanism: "rsa-oaep", keyLabel: "pair" });
  assertUnavailable(
    error,
    /does not do rsa-oaep with the key "pair" \(id 02\): C_EncryptInit answered CKR_ARGUMENTS_BAD/,
  );
});

test("a wrong PIN is given to the token once, also when two ask at the same time", async () => {
  let reads = 0;
  const readPin = (): Buffer => {
    reads += 1;
    return Buffer.from("not-the-pin");
  };
  await using({ readPin }, async (seal) => {
    const results = await Promise.all([1, 2, 3].map(() => rejection(seal.wrap(randomBytes(32), CONTEXT, NEVER))));
    for (const error of results) assertUnavailable(error, /refuses the PIN: C_Login answered CKR_PIN_INCORRECT/);
    assert.match(results[2]?.message ?? "", /not tried again/);
    assert.equal(reads, 1);
  });
  await using({}, (seal) => seal.wrap(randomBytes(32), CONTEXT, NEVER));
});

test("a PIN that cannot be read, is empty or too long never reaches the token", async () => {
  const broken = new Error("no such file");
  const unreadable = await failureOf({
    readPin: () => {
      throw broken;
    },
  });
  assertUnavailable(unreadable, /PIN cannot be read/);
  assert.equal(unreadable.cause, broken);
  for (const pin of [Buffer.alloc(0), Buffer.alloc(256, 0x31)]) {
    assertUnavailable(await failureOf({ readPin: () => pin }), /has to have 1 to 255 bytes/);
    assert.ok(pin.every((byte) => byte === 0));
  }
});

test("the PIN's buffer is zeroed after use", async () => {
  const pins: Buffer[] = [];
  const readPin = (): Buffer => {
    const pin = Buffer.from(PIN);
    pins.push(pin);
    return pin;
  };
  await using({ readPin }, (seal) => seal.wrap(randomBytes(32), CONTEXT, NEVER));
  assert.deepEqual(
    pins.map((pin) => pin.toString("hex")),
    ["00".repeat(PIN.length)],
  );
});

const ABSENT: readonly (readonly [what: string, changes: Partial<Pkcs11Options>, text: RegExp])[] = [
  ["a token that is not there", { token: "gone" }, /no token "gone" in .*it has: .*"vault"/],
  ["a serial number that is not there", { token: "serial:0123" }, /no token "serial:0123"/],
  ["a key that is not there", { keyLabel: "nobody" }, /has no secret key for aes-gcm with the label "nobody"/],
  ["an id that is not there", { keyId: "ff" }, /the label "root" and the id ff/],
  ["a key of another kind", { keyLabel: "pair" }, /has no secret key for aes-gcm with the label "pair"/],
  ["a key on another token", { token: "other" }, /the token "other" has no secret key/],
  ["two keys with one label", { keyLabel: "twin" }, /more than one secret key .*"twin"; name its id/],
  ["a key that is extractable", { keyLabel: "loose" }, /"loose" \(id 03\) can leave the token/],
  ["a key that is not sensitive", { keyLabel: "open" }, /"open" \(id 04\) can leave the token/],
  ["a module that is not there", { module: "/nowhere/module.so" }, /\/nowhere\/module.so is not there/],
  ["a folder as module", { module: tmpdir() }, /is no PKCS #11 module/],
];

for (const [what, changes, text] of ABSENT) {
  test(`${what} makes the seal unavailable, and is named`, async () => {
    assertUnavailable(await failureOf(changes), text);
  });
}

test("a file that is no library, and a library that is no PKCS #11 module, make the seal unavailable", async () => {
  const file = join(hsm.tokens, "..", "garbage.so");
  writeFileSync(file, "garbage");
  assertUnavailable(await failureOf({ module: file }), /garbage.so is not there, or is no PKCS #11 module/);
  const maps = readFileSync("/proc/self/maps", "utf8");
  const libc = /\/\S+\/libc\.so\S*/.exec(maps)?.[0] ?? assert.fail("no C library");
  assertUnavailable(await failureOf({ module: libc }), /no PKCS #11 module: .*C_Initialize/);
});

test("a module that prints what it is given does not disturb, and nothing of that is seen", async () => {
  const [spy] = globSync("/usr/lib/{,*/}pkcs11-spy.so");
  process.env["PKCS11SPY"] = hsm.module;
  try {
    const rootKey = randomBytes(32);
    await using({ module: spy ?? assert.fail("OpenSC's spy is not installed") }, async (seal) => {
      assert.deepEqual(await seal.unwrap(await seal.wrap(rootKey, CONTEXT, NEVER), CONTEXT, NEVER), rootKey);
    });
  } finally {
    delete process.env["PKCS11SPY"];
  }
});

test("a token is also found by its serial number", async () => {
  const list = await mustRun("softhsm2-util", ["--show-slots"]);
  const serial = /Serial number:\s+(\S+)\s+Initialized:.*\s+User PIN init\.:.*\s+Label:\s+vault\s/.exec(list)?.[1];
  const rootKey = randomBytes(32);
  const wrapped = await using({ token: `serial:${serial ?? assert.fail(list)}` }, (seal) =>
    seal.wrap(rootKey, CONTEXT, NEVER),
  );
  assert.deepEqual(await using({}, (seal) => seal.unwrap(wrapped, CONTEXT, NEVER)), rootKey);
});

test("a token that is taken away is named, and one seal works again once it is back", async () => {
  await using({}, async (seal) => {
    const rootKey = randomBytes(32);
    const wrapped = await seal.wrap(rootKey, CONTEXT, NEVER);
    const away = `${hsm.tokens}-away`;
    renameSync(hsm.tokens, away);
    mkdirSync(hsm.tokens);
    assertUnavailable(await rejection(seal.unwrap(wrapped, CONTEXT, NEVER)), /no token "vault"/);
    rmSync(hsm.tokens, { recursive: true });
    assertUnavailable(await rejection(seal.unwrap(wrapped, CONTEXT, NEVER)), /cannot be used|no token "vault"/);
    renameSync(away, hsm.tokens);
    assert.deepEqual(await seal.unwrap(wrapped, CONTEXT, NEVER), rootKey);
  });
});

test("two seals on one module work side by side", async () => {
  const rootKey = randomBytes(32);
  await using({}, (one) =>
    using({ keyLabel: "pair", mechanism: "rsa-oaep-sha1" }, async (two) => {
      const [first, second] = await Promise.all([one.wrap(rootKey, CONTEXT, NEVER), two.wrap(rootKey, CONTEXT, NEVER)]);
      await one.close();
      assert.deepEqual(await two.unwrap(second, CONTEXT, NEVER), rootKey);
      const closed = await rejection(one.unwrap(first, CONTEXT, NEVER));
      assertUnavailable(closed, /closed/);
    }),
  );
});

test("calls leave no process and no open file behind", async () => {
  await using({}, async (seal) => {
    const rootKey = randomBytes(32);
    const wrapped = await seal.wrap(rootKey, CONTEXT, NEVER);
    const before = openFiles();
    for (let cycle = 0; cycle < 20; cycle += 1) {
      assert.deepEqual(await seal.unwrap(wrapped, CONTEXT, NEVER), rootKey);
    }
    assert.ok(openFiles() <= before, `${openFiles()} open files, ${before} before`);
    assert.deepEqual(children(), []);
  });
});

test("the PIN and the root key are in no error, process list, environment or printed line", async () => {
  const rootKey = randomBytes(32);
  const seen: string[] = [];
  await using({}, async (seal) => {
    let isDone = false;
    const work = seal.wrap(rootKey, CONTEXT, NEVER).finally(() => {
      isDone = true;
    });
    while (!isDone) {
      for (const pid of children()) {
        // It may have ended meanwhile, and its environment is closed to others once it is hardened.
        for (const file of ["cmdline", "environ"]) {
          try {
            seen.push(readFileSync(`/proc/${pid}/${file}`, "latin1"));
          } catch {}
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await work;
  });
  assert.ok(seen.some((text) => text.includes("main.ts")));
  const errors = [
    await failureOf({ keyLabel: "nobody" }),
    await failureOf({ token: "gone" }),
    await failureOf({ module: "/nowhere.so" }),
    await failureOf({ mechanism: "rsa-oaep", keyLabel: "pair" }),
    await failureOf({ token: "other" }),
    await failureOf({ readPin: () => Buffer.from(`${PIN}-wrong`) }),
  ];
  for (const error of errors) seen.push(`${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`);
  for (const text of seen) {
    assert.equal(text.includes(PIN), false);
    assert.equal(text.includes(rootKey.toString("hex")) || text.includes(rootKey.toString("latin1")), false);
  }
});
