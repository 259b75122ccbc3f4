import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { type OperationSpec, readOperations } from "@bunkms/contract";
import { resolveAlias } from "./alias.ts";
import { resourceOf } from "./audit-fields.ts";

const OPERATIONS = readOperations();
const spec = (action: string): OperationSpec => OPERATIONS.find((each) => each.action === action) as OperationSpec;

/** What a request becomes, with the aliases that were looked up. */
async function resolve(action: string, members: Record<string, unknown>, aliases: Readonly<Record<string, string>>) {
  const request = create(spec(action).method.input, members as never);
  const asked: string[] = [];
  const alias = await resolveAlias(spec(action), request, async (name) => {
    asked.push(name);
    return Object.hasOwn(aliases, name) ? aliases[name] : undefined;
  });
  return { alias, asked, resource: resourceOf(spec(action), request) };
}

test("a key's name in the place of an alias is what policy, log and handler see, in every operation on a key", async () => {
  const onKeys = OPERATIONS.filter(({ resource }) => resource.startsWith("key/"));
  assert.ok(onKeys.length > 20);
  for (const { action, method, resource } of onKeys) {
    const field = method.input.fields.find(({ name }) => resource === `key/{${name}}`);
    const { alias, resource: seen } = await resolve(action, { [field?.localName ?? ""]: "@a" }, { a: "key" });
    assert.deepEqual([alias, seen], ["@a", "key/key"], action);
  }
});

test("an alias that leads nowhere stays as it is, and is no name that a key can have", async () => {
  const found = await resolve("keys.get", { name: "@none" }, { a: "key" });
  assert.deepEqual(found, { alias: undefined, asked: ["none"], resource: "key/@none" });
});

test("a name without the mark is never looked up, nor is any other field or resource", async () => {
  const aliases = { a: "key", "@a": "other", "": "empty" };
  assert.deepEqual(await resolve("keys.get", { name: "a" }, aliases), {
    alias: undefined,
    asked: [],
    resource: "key/a",
  });
  for (const [action, members] of [
    ["secrets.get", { name: "@a" }],
    ["aliases.get", { alias: "@a" }],
    ["aliases.list", { keyName: "@a" }],
    ["keys.list", { prefix: "@a" }],
    ["tokens.revoke", { id: "@a" }],
  ] as const) {
    const found = await resolve(action, members, aliases);
    assert.deepEqual([found.alias, found.asked], [undefined, []], action);
  }
});

test("an alias is followed once: what it leads to is a name, whatever it looks like", async () => {
  const found = await resolve("keys.get", { name: "@a" }, { a: "@b", b: "key" });
  assert.deepEqual(found, { alias: "@a", asked: ["a"], resource: "key/@b" });
});
