import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startServer } from "../harness/server.ts";
import { readTrail } from "./audit-trail.ts";
import { folderContent } from "./folder-content.ts";
import { restTransport } from "./operation-call.ts";
import { makeObjects } from "./sample-requests.ts";
import { runServer, type ServerRunOptions } from "./server-run.ts";
import { readContent } from "./vault-content.ts";
import { copyOfVault, makeKeyFile } from "./vault-copies.ts";

let folder: string;
/** A vault of production mode, stopped. */
let vault: string;
let keyFile: string;
let rootToken: string;
let content: unknown;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "bunkms-master-key-"));
  vault = join(folder, "vault");
  keyFile = await makeKeyFile(folder, "master.key");
  const server = await startServer({ dev: false, dataPath: vault, env: { BUNKMS_MASTER_KEY_FILE: keyFile } });
  rootToken = server.rootToken;
  const rest = restTransport(server.url);
  await makeObjects(rest, rootToken, "kept");
  content = await readContent(rest, rootToken);
  rest.close();
  assert.equal(await server.stop(), 0);
  await server.remove();
});

after(() => rm(folder, { recursive: true, force: true }));

/** Starts on a copy of the vault: it must end with this code and text, and leave every byte of the folder as it was. */
async function refuses(
  options: ServerRunOptions,
  code: number,
  texts: readonly RegExp[],
  path?: string,
): Promise<void> {
  const dataPath = path ?? (await copyOfVault(folder, vault));
  const before = folderContent(dataPath);
  const run = await runServer(dataPath, options);
  assert.equal(run.end, code, run.output);
  for (const text of texts) {
    assert.match(run.output, text);
  }
  assert.equal(folderContent(dataPath), before, "the refused start changed the data folder");
}

test("REQ-11 a wrong master key: refuses, names the seal slots, changes not a byte", async () => {
  const env = { BUNKMS_MASTER_KEY_FILE: await makeKeyFile(folder, "wrong.key") };
  await refuses({ env }, 1, [/master key/, /slots: env/]);
  await refuses({ env: { BUNKMS_MASTER_KEY: randomBytes(32).toString("hex") } }, 1, [/master key/, /slots: env/]);
});

test("REQ-11 a missing master key: refuses, names the seal slots, changes not a byte", async () => {
  await refuses({}, 2, [/BUNKMS_MASTER_KEY_FILE/, /slots: env/]);
});

test("REQ-11 a master key file that is missing, malformed or open to others: refuses, changes not a byte", async () => {
  await refuses({ env: { BUNKMS_MASTER_KEY_FILE: join(folder, "nowhere") } }, 2, [/cannot be read/]);
  const malformed = await makeKeyFile(folder, "malformed.key", "base64:AAAA\n");
  await refuses({ env: { BUNKMS_MASTER_KEY_FILE: malformed } }, 2, [/not valid/]);
  const shared = await makeKeyFile(folder, "shared.key", await readFile(keyFile, "utf8"));
  await chmod(shared, 0o640);
  await refuses({ env: { BUNKMS_MASTER_KEY_FILE: shared } }, 2, [/chmod 600/]);
});

test("REQ-11 development mode without its master key file: refuses and makes no new one", async () => {
  await refuses({ args: ["--dev"] }, 1, [/master\.key is missing/, /slots: env/]);
});

test("REQ-11 development mode with another master key in its file: refuses and does not replace it", async () => {
  const path = await copyOfVault(folder, vault);
  await writeFile(join(path, "master.key"), await readFile(await makeKeyFile(folder, "other.key")), { mode: 0o600 });
  await refuses({ args: ["--dev"] }, 1, [/slots: env/], path);
});

test("REQ-11 production mode makes nothing up: without a master key not even the folder appears", async () => {
  const path = join(folder, "none");
  const run = await runServer(path, {});
  assert.equal(run.end, 2, run.output);
  await assert.rejects(readFile(path), { code: "ENOENT" });
});

test("REQ-11 no new root token without the right master key, and nothing changes", async () => {
  const args = ["new-root-token"];
  await refuses({ args }, 2, [/BUNKMS_MASTER_KEY_FILE/]);
  const env = { BUNKMS_MASTER_KEY_FILE: await makeKeyFile(folder, "wrong-for-token.key") };
  await refuses({ args, env }, 1, [/slots: env/]);
  await refuses({ args: [...args, "--dev"] }, 1, [/master\.key is missing/]);
});

test("REQ-11 the right master key opens everything again, also with a new root token, which is recorded", async () => {
  const dataPath = await copyOfVault(folder, vault);
  const env = { BUNKMS_MASTER_KEY_FILE: keyFile };
  const made = await runServer(dataPath, { args: ["new-root-token"], env });
  assert.equal(made.end, 0, made.output);
  const token = /^Root token {2}(bkms_r_\S+)$/m.exec(made.output)?.[1] as string;
  const server = await startServer({ dev: false, dataPath, env });
  const rest = restTransport(server.url);
  try {
    const { tokens, ...opened } = (await readContent(rest, rootToken)) as { tokens: unknown[] };
    const { tokens: tokensBefore, ...before } = content as { tokens: unknown[] };
    assert.deepEqual(opened, before);
    assert.equal(tokens.length, tokensBefore.length + 1);
    const { entries } = await readTrail(rest, token);
    assert.ok(
      entries.some(({ operation, transport }) => operation === "system.new_root_token" && transport === "local"),
    );
  } finally {
    rest.close();
    await server.remove();
  }
});

test("REQ-04 a second server on the same folder refuses at once, and the first goes on", async () => {
  const dataPath = await copyOfVault(folder, vault);
  const env = { BUNKMS_MASTER_KEY_FILE: keyFile };
  const server = await startServer({ dev: false, dataPath, env });
  try {
    for (const args of [[], ["new-root-token"]]) {
      const second = await runServer(dataPath, { args, env });
      assert.equal(second.end, 1, second.output);
      assert.match(second.output, /in use by a running BunKMS/);
      assert.ok(second.milliseconds < 3000, `it took ${second.milliseconds} ms`);
    }
    const rest = restTransport(server.url);
    assert.deepEqual(await readContent(rest, rootToken), content);
    rest.close();
    await server.kill();
    const next = await startServer({ dev: false, dataPath, env });
    await next.remove();
  } finally {
    await server.remove();
  }
});
