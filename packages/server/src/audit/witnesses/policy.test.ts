import assert from "node:assert/strict";
import { test } from "node:test";
import { COSIGNATURE_ED25519, noteKey } from "@bunkms/tlog";
import { shownName, witnessId } from "./policy.ts";

test("a witness is remembered by its key: another one of its name is another witness", () => {
  const key = (name: string, fill: number) => noteKey(name, COSIGNATURE_ED25519, Buffer.alloc(32, fill));
  const ids = [key("a.example", 1), key("a.example", 2), key("b.example", 1)].map(witnessId);
  assert.equal(new Set(ids).size, 3);
  assert.ok(ids.every((id) => /^[0-9a-f]{32}$/.test(id)));
  assert.equal(witnessId(key("a.example", 1)), ids[0]);
});

test("a name is shown as the UTF-8 that its octets are, and else octet by octet, so that two stay two", () => {
  const octets = (text: string): string => Buffer.from(text).toString("latin1");
  assert.equal(shownName(octets("Zürich")), "Zürich");
  assert.equal(shownName("plain"), "plain");
  assert.equal(shownName("\xfc"), "\xfc");
  assert.notEqual(shownName("\xfc"), shownName("\xfd"));
});
