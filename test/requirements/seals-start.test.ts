import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startServer } from "../harness/server.ts";
import { folderContent } from "./folder-content.ts";
import { restTransport } from "./operation-call.ts";
import { runServer } from "./server-run.ts";
import { initialise, SealCalls, startUninitialised } from "./shamir-vault.ts";
import { copyOfVault, makeKeyFile } from "./vault-copies.ts";

const HOUR_MS = 3_600_000;

let folder: string;
/** A vault with the slots `env` and `file`, stopped. */
let vault: string;
let masterKey: string;
let sealFile: string;
let rootToken: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "bunkms-seals-start-"));
  vault = join(folder, "vault");
  masterKey = await makeKeyFile(folder, "master.key");
  sealFile = await makeKeyFile(folder, "seal.key");
  const server = await startServer({
    dev: false,
    dataPath: vault,
    env: { BUNKMS_SEALS: "env,file", BUNKMS_MASTER_KEY_FILE: masterKey, BUNKMS_SEAL_FILE: sealFile },
  });
  rootToken = server.rootToken;
  assert.equal(await server.stop(), 0);
  await server.remove();
});

after(() => rm(folder, { recursive: true, force: true }));

/** Starts on a copy of the vault: it must end with this text, and leave every byte of the folder as it was. */
async function refuses(env: Readonly<Record<string, string>>, code: number, texts: readonly RegExp[]): Promise<void> {
  const path = await copyOfVault(folder, vault);
  const before = folderContent(path);
  for (const args of [[], ["new-root-token"]]) {
    const run = await runServer(path, { args, env });
    assert.equal(run.end, code, run.output);
    for (const text of texts) {
      assert.match(run.output, text);
    }
    assert.equal(folderContent(path), before, "the refused start changed the data folder");
  }
}

test("REQ-11 wrong keys for all slots: refuses, names the slots, changes not a byte", async () => {
  const wrong = await makeKeyFile(folder, "wrong.key");
  await refuses({ BUNKMS_MASTER_KEY_FILE: wrong }, 1, [/env/, /slots: (env, file|file, env)/]);
  await refuses({ BUNKMS_SEAL_FILE: wrong }, 1, [/slots: (env, file|file, env)/]);
  await refuses({ BUNKMS_MASTER_KEY_FILE: wrong, BUNKMS_SEAL_FILE: await makeKeyFile(folder, "wrong-too.key") }, 1, [
    /slots: (env, file|file, env)/,
  ]);
  // Each key in the other's place.
  await refuses({ BUNKMS_MASTER_KEY_FILE: sealFile, BUNKMS_SEAL_FILE: masterKey }, 1, [/slots: (env, file|file, env)/]);
});

test("REQ-11 settings for none of the slots: refuses, names the slots, changes not a byte", async () => {
  await refuses({}, 2, [/slots: (env, file|file, env)/]);
  const transit = { BUNKMS_TRANSIT_ADDR: "http://127.0.0.1:1", BUNKMS_TRANSIT_TOKEN: "none" };
  await refuses(transit, 1, [/slots: (env, file|file, env)/]);
  // Shares are asked for, but nobody has any of this vault.
  await refuses({ BUNKMS_SEALS: "shamir" }, 1, [/slots: (env, file|file, env)/]);
});

test("REQ-27 any one of the slots opens the vault, also when the other's key is wrong", async () => {
  const wrong = await makeKeyFile(folder, "wrong-for-one.key");
  for (const env of [
    { BUNKMS_MASTER_KEY_FILE: masterKey },
    { BUNKMS_SEAL_FILE: sealFile },
    { BUNKMS_MASTER_KEY_FILE: wrong, BUNKMS_SEAL_FILE: sealFile },
    { BUNKMS_MASTER_KEY_FILE: masterKey, BUNKMS_SEAL_FILE: wrong },
  ]) {
    const server = await startServer({ dev: false, dataPath: await copyOfVault(folder, vault), env });
    const rest = restTransport(server.url);
    assert.equal((await new SealCalls(rest, rootToken).asRoot("keys.list")).code, "ok");
    rest.close();
    await server.remove();
  }
});

/** When the token expires, in milliseconds from now; 0: never. */
async function lifetime(url: string, token: string): Promise<number> {
  const rest = restTransport(url);
  const self = await new SealCalls(rest, token).asRoot("tokens.get_self");
  rest.close();
  assert.equal(self.code, "ok", self.text);
  const expiresAt = self.value["expires_at"];
  return typeof expiresAt === "string" ? Date.parse(expiresAt) - Date.now() : 0;
}

function isAbout(found: number, wanted: number): void {
  assert.ok(wanted === 0 ? found === 0 : found <= wanted && found > wanted - 120_000, `${found} ms, not ${wanted}`);
}

test("REQ-33 in production a new vault's root token expires after an hour, unless the operator says otherwise", async () => {
  for (const [args, wanted] of [
    [[], HOUR_MS],
    [["--root-token-ttl", "600"], 600_000],
    [["--root-token-ttl", "0"], 0],
  ] as const) {
    const env = { BUNKMS_MASTER_KEY_FILE: masterKey };
    const server = await startServer({ dev: false, args: [...args, "--store", "memory"], env });
    isAbout(await lifetime(server.url, server.rootToken), wanted);
    assert.equal(/and expires at 2\S+Z/.test(server.output()), wanted > 0, server.output());
    await server.remove();

    const shamir = await startUninitialised({ args: [...args, "--store", "memory"] });
    const rest = restTransport(shamir.url);
    const made = await initialise(rest);
    rest.close();
    isAbout(await lifetime(shamir.url, made.rootToken), wanted);
    assert.equal(made.rootTokenExpiresAt === undefined, wanted === 0);
    assert.ok(!shamir.output().includes(made.rootToken), "whoever makes the vault gets the token, not the output");
    await shamir.remove();
  }
});

test("REQ-33 in production a root token stops working when its time is over", async () => {
  const env = { BUNKMS_MASTER_KEY_FILE: masterKey };
  const args = ["--root-token-ttl", "3", "--store", "memory"];
  const server = await startServer({ dev: false, args, env });
  const rest = restTransport(server.url);
  const calls = new SealCalls(rest, server.rootToken);
  const deadline = performance.now() + 20_000;
  let code = "ok";
  while (code === "ok" && performance.now() < deadline) {
    code = (await calls.asRoot("keys.list")).code;
  }
  assert.equal(code, "unauthenticated");
  rest.close();
  await server.remove();
});
