import assert from "node:assert/strict";
import { test } from "node:test";
import type { KeyType } from "../../server/src/crypto/key-type.ts";
import { findKeyType, keyTypeNames } from "../../server/src/crypto/key-types.ts";
import { KEY_WRAP_ALGORITHMS } from "../../server/src/crypto/key-wrap.ts";
import { nextState } from "../../server/src/vault/key-life.ts";
import {
  CIPHERS,
  KEY_STATES,
  KEY_TYPES,
  KEY_WRAPS,
  PURPOSES,
  SIGNATURE_ALGORITHMS,
  SIGNATURE_ENCODINGS,
} from "./key-types.ts";

const table = keyTypeNames().map((name) => findKeyType(name) as KeyType);
const distinct = (names: readonly string[]): readonly string[] => [...new Set(names)];

test("the key types of the command line are those of the server, with their purposes", () => {
  const expected = table.map(({ name, purposes }) => ({ name, purposes }));
  assert.deepEqual(KEY_TYPES, expected);
  assert.deepEqual(PURPOSES.toSorted(), distinct(table.flatMap(({ purposes }) => purposes)).toSorted());
});

test("the algorithms of the command line are those that leave a choice", () => {
  const signatures = table.map((type) => type.signatures ?? []).filter((algorithms) => algorithms.length > 1);
  assert.deepEqual(SIGNATURE_ALGORITHMS, distinct(signatures.flat().map(({ name }) => name)));
  const ciphers = table.map((type) => (type.ciphers ?? []).filter(({ deterministic }) => !deterministic));
  assert.deepEqual(
    CIPHERS,
    distinct(ciphers.filter(({ length }) => length > 1).flatMap((all) => all.map((one) => one.name))),
  );
});

test("the signature encodings of the command line are those of ECDSA, and JOSE's", () => {
  const ecdsa = findKeyType("ecdsa-p256")?.signatures?.[0]?.encodings;
  assert.deepEqual(SIGNATURE_ENCODINGS, [...(ecdsa ?? []), "jose"]);
});

test("the key wraps of the command line are those of the server", () => {
  assert.deepEqual(KEY_WRAPS, KEY_WRAP_ALGORITHMS);
});

test("the states of the command line are those that a key can be in", () => {
  const steps = ["enable", "disable", "schedule_deletion", "cancel_deletion", "destroy", "import"] as const;
  const states = KEY_STATES as readonly Parameters<typeof nextState>[1][];
  const reached = steps.flatMap((step) =>
    states.flatMap((state) => {
      try {
        return [nextState(step, state, "the key")];
      } catch {
        return [];
      }
    }),
  );
  // No step leads to waiting for an import: a key is made so.
  assert.deepEqual(distinct([...reached, "pending_import"]).toSorted(), KEY_STATES.toSorted());
});
