import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { checkBoundaries, ROOMS } from "./boundaries.ts";

/** Checks a small tree of its own in place of the repository. */
async function check(files: Readonly<Record<string, string>>): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), "bunkms-boundaries-test-"));
  try {
    mkdirSync(join(root, "packages/server/src"), { recursive: true });
    for (const [path, content] of Object.entries({ "packages/server/src/main.ts": "export {};\n", ...files })) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    }
    return await checkBoundaries(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

test("a room may import itself, the rooms to its right and the contract", async () => {
  const output = await check({
    "packages/server/src/vault/keys.ts": [
      'import { seal } from "../crypto/xaes.ts";',
      'import type { Store } from "../store/store.ts";',
      'import { BunkmsError } from "@bunkms/contract";',
      'import { own } from "./own.ts";',
      'import type { KeyObject } from "node:crypto";',
      'import type { IncomingMessage } from "node:http";',
      "export { seal, type Store, BunkmsError, own, type KeyObject, type IncomingMessage };",
    ].join("\n"),
    "packages/server/src/api/rest/server.ts":
      'export * from "../health.ts";\nexport * from "../grpc/server.ts";\nexport * from "../../pipeline/call.ts";\n',
    "packages/server/src/main.ts": 'import "./boot/run.ts";\n',
    "packages/server/src/boot/run.ts": 'import "../api/rest/server.ts";\nimport "../vault/keys.ts";\n',
    "packages/cli/src/main.ts": 'import "@bunkms/client";\n',
    "packages/client/src/file/a.ts": 'import { randomBytes } from "node:crypto";\nexport { randomBytes };\n',
    "packages/client/src/import/a.ts": 'import { publicEncrypt } from "node:crypto";\nexport { publicEncrypt };\n',
  });
  assert.equal(output, "");
});

const FORBIDDEN: readonly (readonly [what: string, path: string, line: string])[] = [
  ["a room to its left", "packages/server/src/crypto/a.ts", 'import "../vault/keys.ts";'],
  ["a room beside it", "packages/server/src/audit/a.ts", 'import "../vault/keys.ts";'],
  ["a type of a room to its left", "packages/server/src/vault/a.ts", 'import type { T } from "../access/tokens.ts";'],
  ["an adapter in place of the port", "packages/server/src/vault/a.ts", 'import { s } from "../store/sqlite.ts";'],
  ["a room from a folder inside", "packages/server/src/api/rest/a.ts", 'import { s } from "../../vault/keys.ts";'],
  ["main.ts from a room", "packages/server/src/crypto/a.ts", 'import "../main.ts";'],
  ["main.ts from a folder inside", "packages/server/src/api/rest/a.ts", 'import "../../main.ts";'],
  ["a room by a detour", "packages/server/src/crypto/a.ts", 'import "./../vault/keys.ts";'],
  ["a room by re-export", "packages/server/src/crypto/a.ts", 'export * from "../vault/keys.ts";'],
  ["a room at run time", "packages/server/src/crypto/a.ts", 'await import("../vault/keys.ts");'],
  ["node:crypto outside crypto/", "packages/server/src/vault/a.ts", 'import { randomBytes } from "node:crypto";'],
  ["all of node:crypto", "packages/client/src/a.ts", 'import * as crypto from "node:crypto";'],
  ["node:sqlite outside store/", "packages/server/src/audit/a.ts", 'import { DatabaseSync } from "node:sqlite";'],
  ["the server from the command line", "packages/cli/src/a.ts", 'import "@bunkms/server/main.ts";'],
  ["the contract past the client", "packages/cli/src/a.ts", 'import "@bunkms/contract";'],
  ["another package by its path", "packages/cli/src/a.ts", 'import "../../server/src/vault/keys.ts";'],
  [
    "an import that reads all of node:http",
    "packages/server/src/boot/a.ts",
    'import { createServer } from "node:http";',
  ],
  ["all of node:https", "packages/server/src/seal/a.ts", 'import * as https from "node:https";'],
  ["an import that parses certificates", "packages/server/src/api/a.ts", 'import { TLSSocket } from "node:tls";'],
  ["the client from the server", "packages/server/src/api/a.ts", 'import "@bunkms/client";'],
];

for (const [what, path, line] of FORBIDDEN) {
  test(`the boundary check refuses ${what}`, async () => {
    assert.match(await check({ [path]: `${line}\n` }), new RegExp(`${path}.*noRestrictedImports`));
  });
}

test("a folder that is not in the table and a file beside main.ts are refused", async () => {
  assert.match(await check({ "packages/server/src/utils/a.ts": "export {};\n" }), /src\/utils: is neither main.ts nor/);
  assert.match(
    await check({ "packages/server/src/start.ts": "export {};\n" }),
    /src\/start.ts: is neither main.ts nor/,
  );
});

test("the table of rooms has no circle: each room sees only rooms of earlier rows", () => {
  for (const [index, { name, sees, also = [] }] of ROOMS.entries()) {
    const earlier = ROOMS.slice(0, index).map((room) => room.name);
    assert.ok(
      [...sees, ...also].every((seen) => earlier.includes(seen.split("/")[0] ?? "")),
      name,
    );
  }
});
