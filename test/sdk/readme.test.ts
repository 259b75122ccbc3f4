import assert from "node:assert/strict";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ROOT, runProgram } from "../../scripts/run-program.ts";
import { startServer, type TestServer } from "../harness/server.ts";
import { type InstalledClient, installClient } from "./installed-client.ts";

const README = readFileSync(join(ROOT, "packages", "client", "README.md"), "utf8");
/** A programme, and what it prints. */
const EXAMPLE = /^```ts\n([\s\S]*?)^```\n\n```text\n([\s\S]*?)^```$/gm;
const EXAMPLES = [...README.matchAll(EXAMPLE)].map(([, code = "", output = ""]) => ({ code, output }));

let server: TestServer;
let installed: InstalledClient;

before(async () => {
  [server, installed] = await Promise.all([startServer(), installClient()]);
  mkdirSync(join(installed.folder, "bunkms-data"));
  writeFileSync(join(installed.folder, "bunkms-data", "root-token"), `${server.rootToken}\n`);
  // What the examples use of others, as their reader has it.
  for (const name of ["jose", "@types"]) {
    symlinkSync(join(ROOT, "node_modules", name), join(installed.folder, "node_modules", name));
  }
  for (const [at, { code }] of EXAMPLES.entries()) {
    const text = code.replaceAll("http://127.0.0.1:8080", server.url).replaceAll("127.0.0.1:8081", server.grpcAddr);
    writeFileSync(join(installed.folder, `example-${at}.ts`), text);
  }
});

after(async () => {
  installed?.remove();
  await server?.remove();
});

for (const [at, { code, output }] of EXAMPLES.entries()) {
  test(`example ${at + 1} of the client's README does what the README says: ${code.match(/^const .*|^try.*/m)?.[0]}`, async () => {
    const args = ["--disable-warning=ExperimentalWarning", `example-${at}.ts`];
    const result = await runProgram(process.execPath, args, { cwd: installed.folder });
    assert.deepEqual(result, { code: 0, output });
  });
}

test("no example of the README escapes the test", () => {
  assert.equal(EXAMPLES.length, README.split("\n").filter((line) => line === "```ts").length);
  assert.ok(EXAMPLES.length >= 7);
});

test("the examples are right by the package's declarations, also where all of these are checked", async () => {
  const compilerOptions = {
    ...{ target: "esnext", module: "nodenext", lib: ["esnext", "dom", "dom.iterable", "dom.asynciterable"] },
    ...{ types: ["node"], strict: true, noEmit: true, skipLibCheck: false },
  };
  const include = EXAMPLES.map((_, at) => `example-${at}.ts`);
  writeFileSync(join(installed.folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include }));
  assert.deepEqual(await runProgram("tsc", ["-p", "."], { cwd: installed.folder }), { code: 0, output: "" });
});

test("the package holds JavaScript and declarations, a README and the license, and nothing else", () => {
  const others = installed.packed.filter((name) => !/^dist\/(client|contract)\/src\/.+\.(js|d\.ts)$/.test(name));
  assert.deepEqual(others.toSorted(), ["LICENSE", "README.md", "package.json"]);
  assert.ok(!installed.packed.some((name) => /\.test\./.test(name)));
  const manifest = JSON.parse(
    readFileSync(join(installed.folder, "node_modules", "@bunkms", "client", "package.json"), "utf8"),
  ) as { readonly dependencies: object };
  assert.deepEqual(Object.keys(manifest.dependencies), ["@bufbuild/protobuf"]);
});
