import assert from "node:assert/strict";
import { test } from "node:test";
import { Role, readOperations } from "@bunkms/contract";
import { authoriseByRole } from "../../packages/server/src/access/authorise.ts";
import type { RoleName } from "../../packages/server/src/access/identity.ts";
import { loadOperations } from "../../packages/server/src/operations/registry.ts";

const specs = readOperations();
const load = (file: string): Promise<Record<string, unknown>> =>
  import(new URL(`../../packages/server/src/operations/${file}`, import.meta.url).href);

test("REQ-20 every operation of the contract has the handler that its name says", async () => {
  const operations = await loadOperations(specs);
  assert.deepEqual([...operations.keys()].toSorted(), specs.map(({ action }) => action).toSorted());
});

test("REQ-20 an operation without a handler does not start", async () => {
  for (const { method } of specs) {
    const file = `./${method.name.replaceAll(/(?<=[a-z0-9])[A-Z]/g, "-$&").toLowerCase()}.ts`;
    let asked = false;
    const loading = loadOperations(specs, async (candidate) => {
      if (candidate === file) {
        asked = true;
        throw new Error("no such file");
      }
      return load(candidate);
    });
    await assert.rejects(loading, new RegExp(`${method.name} has no handler`), file);
    assert.ok(asked, file);
  }
});

test("REQ-20 a handler that belongs to another operation, or is no handler, does not start", async () => {
  const rotate = await load("./rotate-key.ts");
  const wrong = [{}, { createKey: undefined }, { createKey: rotate["rotateKey"] }, { default: rotate["rotateKey"] }];
  for (const module of wrong) {
    const loading = loadOperations(specs, async (file) => (file === "./create-key.ts" ? module : load(file)));
    await assert.rejects(loading, /does not export createKey/);
  }
});

test("REQ-20 an operation whose least role is not set lets nobody pass, not even root", () => {
  const root = { id: "0".repeat(32), name: "root", role: "root" } as const;
  for (const spec of specs) {
    assert.equal(authoriseByRole(root, spec, ""), true, spec.action);
    assert.equal(authoriseByRole(root, { ...spec, leastRole: Role.UNSPECIFIED }, ""), false, spec.action);
  }
});

test("CVE-2025-5999 CVE-2025-64761 a role that is spelt in another way is no role", () => {
  const [spec] = specs;
  assert.ok(spec !== undefined);
  for (const role of [
    " root",
    "root ",
    "ROOT",
    "Root",
    "r\u043eot",
    "root\0",
    "",
    "__proto__",
    "constructor",
    "toString",
  ]) {
    const identity = { id: "0".repeat(32), name: "x", role: role as RoleName };
    assert.throws(() => authoriseByRole(identity, { ...spec, leastRole: Role.ANY }, ""), /unknown role/, role);
  }
});
