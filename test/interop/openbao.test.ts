import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { findClosedPort } from "../harness/canned-server.ts";
import { startServer, type TestServer } from "../harness/server.ts";
import { Bao, type BaoResult } from "./bao.ts";

interface Stage {
  readonly server: TestServer;
  readonly bao: Bao;
}

/** A server in production mode that has no vault yet, and `bao` pointed at it. */
async function stage(t: TestContext, seals = "shamir"): Promise<Stage> {
  const env = { BUNKMS_SEALS: seals, BUNKMS_MASTER_KEY: `base64:${Buffer.alloc(32, 7).toString("base64")}` };
  const server = await startServer({ dev: false, env });
  t.after(() => server.remove());
  const bao = await Bao.at(server.url);
  t.after(() => bao.remove());
  return { server, bao };
}

/** What `bao` prints as a table, by its left column. */
function table({ output }: BaoResult): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...output.matchAll(/^(\S+(?: \S+)*?) {2,}(\S.*)$/gm)].map(([, name, value]) => [name, value]),
  );
}

function succeeded(result: BaoResult): BaoResult {
  assert.equal(result.code, 0, result.output);
  return result;
}

/** That the server refused, once and with this text among `bao`'s errors. */
function refused(result: BaoResult, code: number, text: RegExp): void {
  assert.equal(result.code, 2, result.output);
  assert.match(result.output, new RegExp(`^Code: ${code}\\. Errors:$`, "m"));
  assert.match(/^\* (.*)$/m.exec(result.output)?.[1] ?? "", text);
}

interface Made {
  readonly keys: readonly string[];
  readonly rootToken: string;
}

/** Makes the vault and reads what `bao` shows of it. */
async function makeVault(bao: Bao, ...args: readonly string[]): Promise<Made> {
  const { output } = succeeded(await bao.run(["operator", "init", ...args]));
  return {
    keys: [...output.matchAll(/^Unseal Key \d+: (\S+)$/gm)].map((match) => match[1] as string),
    rootToken: /^Initial Root Token: (bkms_\S+)$/m.exec(output)?.[1] ?? "",
  };
}

test("bao makes a vault of five shares, seals it, and opens it with three of them in the forms that it prints", async (t) => {
  const { server, bao } = await stage(t);

  const before = await bao.run(["status"]);
  assert.equal(before.code, 2, before.output);
  assert.partialDeepStrictEqual(table(before), {
    "Seal Type": "shamir",
    Initialized: "false",
    Sealed: "true",
    "Total Shares": "0",
    "Unseal Progress": "0/0",
    "Storage Type": "sqlite",
    "HA Enabled": "false",
  });
  const not = await bao.run(["operator", "init", "-status"]);
  assert.deepEqual(not, { code: 2, output: "Vault is not initialized\n" });

  const made = JSON.parse(
    succeeded(await bao.run(["operator", "init", "-key-shares=5", "-key-threshold=3", "-format=json"])).output,
  ) as Record<string, unknown> & { unseal_keys_b64: string[]; unseal_keys_hex: string[]; root_token: string };
  assert.partialDeepStrictEqual(made, { unseal_shares: 5, unseal_threshold: 3, recovery_keys_shares: 0 });
  const { unseal_keys_b64: base64, unseal_keys_hex: hex, root_token: token } = made;
  assert.deepEqual(
    hex,
    base64.map((key) => Buffer.from(key, "base64").toString("hex")),
  );
  assert.equal(new Set(hex).size, 5);
  assert.deepEqual(await bao.run(["operator", "init", "-status"]), { code: 0, output: "Vault is initialized\n" });
  assert.partialDeepStrictEqual(table(succeeded(await bao.run(["status"]))), {
    Sealed: "false",
    "Total Shares": "5",
    Threshold: "3",
    "Cluster Name": "bunkms",
  });
  refused(await bao.run(["operator", "init"]), 400, /initialised already/);

  succeeded(await bao.run(["operator", "seal"], { token }));
  const sealed = await bao.run(["status"]);
  assert.equal(sealed.code, 2, sealed.output);
  assert.partialDeepStrictEqual(table(sealed), { Initialized: "true", Sealed: "true", "Unseal Progress": "0/3" });

  const first = table(succeeded(await bao.run(["operator", "unseal", base64[4] as string])));
  assert.partialDeepStrictEqual(first, { Sealed: "true", "Unseal Progress": "1/3" });
  const second = succeeded(await bao.run(["operator", "unseal", "-format=json", hex[1] as string]));
  assert.partialDeepStrictEqual(JSON.parse(second.output), { sealed: true, t: 3, n: 5, progress: 2 });
  const third = succeeded(await bao.answer(["operator", "unseal"], "will be hidden", base64[2] as string));
  assert.match(third.output, /^Sealed +false\r$/m);

  const open = JSON.parse(succeeded(await bao.run(["status", "-format=json"])).output) as Record<string, unknown>;
  assert.partialDeepStrictEqual(open, { type: "shamir", initialized: true, sealed: false, t: 3, n: 5, progress: 0 });
  assert.match(String(open["cluster_id"]), /^[0-9a-f]{32}$/);
  // One key too many does no harm.
  assert.equal(table(succeeded(await bao.run(["operator", "unseal", base64[0] as string])))["Sealed"], "false");
  for (const secret of [...hex, ...base64, token]) {
    assert.ok(!server.output().includes(secret));
  }
});

test("bao makes and opens a vault of one share, and seals it with VAULT_TOKEN", async (t) => {
  const { bao } = await stage(t);
  const { keys, rootToken } = await makeVault(bao, "-key-shares=1", "-key-threshold=1");
  assert.equal(keys.length, 1);
  succeeded(await bao.run(["operator", "seal"], { vaultToken: rootToken }));
  assert.equal((await bao.run(["status"])).code, 2);
  const opened = table(succeeded(await bao.run(["operator", "unseal", keys[0] as string])));
  assert.partialDeepStrictEqual(opened, { Sealed: "false", "Total Shares": "1", Threshold: "1" });
  succeeded(await bao.run(["status"]));
});

test("bao shows why a vault is not made, and that there is none", async (t) => {
  const { server, bao } = await stage(t);
  const init = (...args: readonly string[]) => bao.run(["operator", "init", ...args]);
  refused(await init("-key-shares=2", "-key-threshold=3"), 400, /^secret_shares and secret_threshold: /);
  refused(await init("-key-shares=2", "-key-threshold=1"), 400, /2 or more are needed, or 1 of 1/);
  refused(await init("-key-shares=256"), 400, /^secret_shares: .* 255/);
  const pgpKey = join(server.configHome, "pgp-key");
  writeFileSync(pgpKey, "AAAA");
  refused(await init("-key-shares=1", "-key-threshold=1", `-pgp-keys=${pgpKey}`), 400, /PGP .* share_recipients/);
  refused(await init(`-root-token-pgp-key=${pgpKey}`), 400, /root_token_pgp_key: PGP/);
  const share = Buffer.alloc(47, 1).toString("base64");
  refused(await bao.run(["operator", "unseal", share]), 503, /there is no vault yet/);
  refused(await bao.run(["operator", "seal"], { token: "bkms_r_none" }), 503, /there is no vault yet/);
  assert.equal((await init("-status")).code, 2);
});

test("bao shows what is wrong with a share or a token, and the shares before it stay", async (t) => {
  const [{ server, bao }, other] = await Promise.all([stage(t), stage(t)]);
  const [{ keys, rootToken }, foreign] = await Promise.all([makeVault(bao), makeVault(other.bao)]);
  refused(await bao.run(["operator", "seal"]), 401, /a valid token is needed/);
  refused(await bao.run(["operator", "seal"], { token: foreign.rootToken }), 401, /a valid token is needed/);
  assert.equal((await bao.run(["status"])).code, 0);
  succeeded(await bao.run(["operator", "seal"], { token: rootToken }));
  refused(await bao.run(["operator", "seal"], { token: rootToken }), 503, /the vault is sealed/);

  const offer = (...args: readonly string[]) => bao.run(["operator", "unseal", ...args]);
  const [first = "", second = "", third = ""] = keys;
  succeeded(await offer(first));
  const changed = Buffer.from(second, "base64");
  changed[40] = (changed[40] as number) ^ 1;
  refused(await offer(changed.toString("base64")), 400, /mistyped: its checksum is wrong/);
  refused(await offer(first), 400, /share 1 was offered already/);
  refused(await offer(foreign.keys[1] as string), 400, /of another cluster/);
  refused(await offer(second.slice(0, 40)), 400, /this is not a share/);
  // OpenBao reads no key from standard input: it takes the dash for one.
  refused(await offer("-"), 400, /this is not a share/);
  refused(await offer("A".repeat(1025)), 400, /^key: .* 1024/);
  refused(await offer("-reset"), 400, /a reset needs a share too.* forgotten after ten minutes/);
  refused(await offer("-migrate", second), 400, /^migrate: /);
  assert.equal(table(await bao.run(["status"]))["Unseal Progress"], "1/3");
  succeeded(await offer(second));
  assert.equal(table(succeeded(await offer(third)))["Sealed"], "false");
  assert.ok(!server.output().includes(second));
});

test("bao makes a vault that a seal of its own opens too, whose shares it follows", async (t) => {
  const { server, bao } = await stage(t, "env,shamir");
  const { rootToken } = await makeVault(bao);
  const status = async () => table(succeeded(await bao.run(["status"])));
  assert.partialDeepStrictEqual(await status(), { "Seal Type": "env", "Total Shares": "5", Threshold: "3" });
  const call = async (method: string, path: string, body?: object): Promise<Record<string, unknown>> => {
    const headers = { authorization: `Bearer ${rootToken}`, "content-type": "application/json" };
    const response = await fetch(server.url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    assert.ok(response.ok, `${method} ${path}: ${response.status}`);
    return (await response.json()) as Record<string, unknown>;
  };
  const { slots } = (await call("GET", "/v1/sys/slots")) as { slots: { id: string; kind: string }[] };
  const { id } = slots.find(({ kind }) => kind === "shamir") as { id: string };
  const rewrapped = await call("POST", `/v1/sys/slots/${id}/rewrap`, { secret_shares: 3, secret_threshold: 2 });
  assert.partialDeepStrictEqual(await status(), { "Total Shares": "3", Threshold: "2" });
  succeeded(await bao.run(["operator", "seal"], { token: rootToken }));
  // In the form that can be read out.
  for (const share of (rewrapped["shares"] as string[]).slice(1)) {
    assert.match(share, /^bkms1/);
    succeeded(await bao.run(["operator", "unseal", share]));
  }
  assert.partialDeepStrictEqual(await status(), { "Seal Type": "shamir", Sealed: "false", "Total Shares": "3" });
  await call("DELETE", `/v1/sys/slots/${id}`);
  assert.partialDeepStrictEqual(await status(), { "Total Shares": "0", Threshold: "0" });
});

test("bao's exit codes tell a server that does not answer from a sealed one", async (t) => {
  const bao = await Bao.at(`http://127.0.0.1:${await findClosedPort()}`);
  t.after(() => bao.remove());
  assert.equal((await bao.run(["status"])).code, 1);
  // OpenBao asks for the seal's status first, and means its usual exit code by this one.
  assert.equal((await bao.run(["operator", "init", "-status"])).code, 2);
});

test("the health path answers a load balancer as Vault's does", async (t) => {
  const { server, bao } = await stage(t);
  const health = async (query = "") => {
    const [head, get] = await Promise.all(
      ["HEAD", "GET"].map((method) => fetch(`${server.url}/v1/sys/health${query}`, { method })),
    );
    assert.equal(await head?.text(), "");
    assert.equal(head?.status, get?.status);
    return { status: get?.status, body: (await get?.json()) as Record<string, unknown> };
  };
  const uninitialised = await health();
  assert.equal(uninitialised.status, 501);
  assert.partialDeepStrictEqual(uninitialised.body, { initialized: false, sealed: true, standby: false });
  assert.equal((await health("?uninitcode=200")).status, 200);
  const { rootToken } = await makeVault(bao);
  assert.equal((await health()).status, 200);
  const read = JSON.parse(succeeded(await bao.run(["read", "-format=json", "sys/health"])).output) as { data: object };
  assert.partialDeepStrictEqual(read.data, { initialized: true, sealed: false, cluster_name: "bunkms" });
  succeeded(await bao.run(["operator", "seal"], { token: rootToken }));
  assert.equal((await health("?standbyok=true")).status, 503);
  assert.equal((await health("?sealedcode=429")).status, 429);
});
