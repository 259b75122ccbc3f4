import assert from "node:assert/strict";
import { createSecretKey } from "node:crypto";
import { test } from "node:test";
import { DerivedKeys, derive, MESSAGES_PER_SALT, MILLISECONDS_PER_SALT } from "./derived-keys.ts";
import { collectForgottenKeys } from "./forget-keys.ts";
import type { OpenedVersion } from "./key-type.ts";

const version = (fill: number, number = 1): OpenedVersion => ({
  keyId: Buffer.alloc(16, fill),
  version: number,
  key: createSecretKey(Buffer.alloc(32, fill)),
});

test("REQ-13: keys and commitments are those of the AWS Encryption SDK's suite 0x0478", () => {
  // github.com/aws/aws-encryption-sdk-javascript, modules/material-management-node/test/node-kdf.test.ts
  const dataKey = createSecretKey("+p6+whPVw9kOrYLZFMRBJ2n6Vli6T/7TkjDouS+25s0=", "base64");
  const messageId = Buffer.from("TfvRMU2dVZJbgXIyxeNtbj5eIw8BiTDiwsHyQ/Z9wXk=", "base64");
  const { key, commitment } = derive(dataKey, messageId);
  assert.equal(key.export().toString("base64"), "V67301yMJtk0jxOc3QJeBac6uKxO3XylWtkKTYmUU+M=");
  assert.equal(commitment.toString("base64"), "F88I9zPbUQSfOlzLXv+uIY2+m/E6j2PMsbgeHVH/L0w=");
});

test("REQ-16: one salt serves no more messages than its bound", () => {
  const keys = new DerivedKeys(() => 0);
  const first = keys.sender(version(1)).salt;
  for (let i = 1; i < MESSAGES_PER_SALT; i++) assert.equal(keys.sender(version(1)).salt, first);
  assert.notDeepEqual(keys.sender(version(1)).salt, first);
});

test("REQ-16: one salt serves no longer than its bound", () => {
  let now = 1000;
  const keys = new DerivedKeys(() => now);
  const first = keys.sender(version(1)).salt;
  now += MILLISECONDS_PER_SALT - 1;
  assert.equal(keys.sender(version(1)).salt, first);
  now += 1;
  assert.notDeepEqual(keys.sender(version(1)).salt, first);
});

test("REQ-16: key versions, keys and processes never share a salt", () => {
  const keys = new DerivedKeys();
  const salts = [version(1), version(1, 2), version(2)].map((of) => keys.sender(of).salt.toString("hex"));
  salts.push(new DerivedKeys().sender(version(1)).salt.toString("hex"));
  assert.equal(new Set(salts).size, 4);
});

test("a receiver's key is the sender's, found again or derived anew", () => {
  const { key, salt, commitment } = new DerivedKeys().sender(version(1));
  const keys = new DerivedKeys();
  const derived = keys.receiver(version(1), salt, commitment);
  assert.ok(derived?.equals(key));
  assert.equal(keys.receiver(version(1), salt, commitment), derived);
});

test("REQ-18: another commitment yields no key, before and after the right one was seen", () => {
  const { salt, commitment } = new DerivedKeys().sender(version(1));
  const other = derive(version(2).key, salt).commitment;
  const keys = new DerivedKeys();
  assert.equal(keys.receiver(version(1), salt, other), undefined);
  assert.ok(keys.receiver(version(1), salt, commitment));
  assert.equal(keys.receiver(version(1), salt, other), undefined);
});

test("REQ-18: what was derived from one key is never used for another of the same id", () => {
  const impostor = { ...version(1), key: version(2).key };
  const keys = new DerivedKeys();
  const { salt, commitment } = keys.sender(version(1));
  assert.ok(keys.receiver(version(1), salt, commitment));
  assert.equal(keys.receiver(impostor, salt, commitment), undefined);
  assert.notDeepEqual(keys.sender(impostor).salt, salt);
});

test("the keys at hand are bounded in number: the oldest go first", () => {
  const keys = new DerivedKeys();
  const first = keys.sender(version(1, 1)).salt;
  const second = keys.sender(version(1, 2)).salt;
  for (let number = 3; number <= 4097; number++) keys.sender(version(1, number));
  assert.equal(keys.sender(version(1, 2)).salt, second);
  assert.notDeepEqual(keys.sender(version(1, 1)).salt, first);
});

test("REQ-23: forgetting a key drops all that was derived from it, and nothing of others", () => {
  const keys = new DerivedKeys();
  const [one, two] = [keys.sender(version(1)), keys.sender(version(2))];
  const [received, kept] = [
    keys.receiver(version(1), one.salt, one.commitment),
    keys.receiver(version(2), two.salt, two.commitment),
  ];
  keys.forget(version(1).keyId);
  assert.notEqual(keys.sender(version(1)).salt, one.salt);
  assert.notEqual(keys.receiver(version(1), one.salt, one.commitment), received);
  assert.equal(keys.sender(version(2)).salt, two.salt);
  assert.equal(keys.receiver(version(2), two.salt, two.commitment), kept);
  keys.forget();
  assert.notEqual(keys.sender(version(2)).salt, two.salt);
});

test("REQ-23: what was derived and not used for the bound of seconds is dropped when the next key is derived", async () => {
  let now = 1000;
  const keys = new DerivedKeys(() => now);
  const derived = (number: number) => {
    const of = version(number);
    const { key, salt, commitment } = keys.sender(of);
    const receiver = keys.receiver(of, salt, commitment) ?? assert.fail();
    return { of, salt, commitment, refs: [new WeakRef(key), new WeakRef(receiver)] };
  };
  const idle = derived(1);
  const used = derived(2);
  now += MILLISECONDS_PER_SALT - 1;
  // Found again, which keeps a receiver.
  keys.receiver(used.of, used.salt, used.commitment);
  now += 1;
  derived(3);
  await collect();
  assert.deepEqual(
    idle.refs.map((ref) => ref.deref()),
    [undefined, undefined],
  );
  assert.equal(used.refs[0]?.deref(), undefined);
});

/** Lets the engine collect what nobody holds. */
async function collect(): Promise<void> {
  for (let i = 0; i < 5; i++) {
    collectForgottenKeys();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
