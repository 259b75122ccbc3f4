import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { SealedRows } from "../faults/sealed-vault.ts";
import { findClosedPort } from "../harness/canned-server.ts";
import { type ServerOptions, startServer, type TestServer } from "../harness/server.ts";
import { operationOf, restTransport } from "../requirements/operation-call.ts";
import { runServer } from "../requirements/server-run.ts";
import { SealsAtHand, transitSettings } from "./seals-at-hand.ts";
import { VaultAtWork } from "./vault-at-work.ts";

const folder = mkdtempSync(join(tmpdir(), "bunkms-unavailable-"));
const seals = await SealsAtHand.start(["env", "file", "shamir"]);

/** Another BunkMS, which is down at times and comes back in the same place. */
const otherOptions: ServerOptions = {
  addr: `127.0.0.1:${await findClosedPort()}`,
  dataPath: join(folder, "other"),
  configHome: join(folder, "config"),
};
let other: TestServer | undefined = await startServer(otherOptions);
const rest = restTransport(other.url);
const created = await rest.call(operationOf("keys.create"), { name: "root" }, { token: other.rootToken });
assert.equal(created.code, "ok", created.text);
rest.close();
const transit = { env: transitSettings(folder, other.url, "root", other.rootToken) };

after(async () => {
  await other?.remove();
  await seals[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

async function otherDown(): Promise<void> {
  await other?.stop();
  await other?.remove();
  other = undefined;
}

async function otherUp(): Promise<void> {
  other ??= await startServer(otherOptions);
}

/** Settings of the other BunkMS, and of the seals at hand. */
function withTransit(kinds: Parameters<SealsAtHand["settings"]>[0], named?: string) {
  const { env } = seals.settings(kinds);
  return { env: { ...env, ...transit.env, ...(named === undefined ? {} : { BUNKMS_SEALS: named }) } };
}

/** A key of the form that the settings take, and no other's. */
function wrongKey(setting: string): { readonly env: Record<string, string> } {
  const path = join(folder, `wrong-${setting}`);
  writeFileSync(path, randomBytes(32).toString("hex"), { mode: 0o600 });
  return { env: { [setting]: path } };
}

/** All that there is of slots and keys of a stopped server: nothing may make more. */
function slotRows(vault: VaultAtWork): readonly string[] {
  using rows = new SealedRows(vault.dataPath);
  return rows
    .all("meta")
    .filter(({ path }) => path.startsWith("slot/") || path === "keyring")
    .map(({ path, value }) => `${path} ${Buffer.from(value).toString("base64")}`);
}

/** All that a stopped server's store holds. */
function allRows(vault: VaultAtWork): readonly unknown[] {
  using rows = new SealedRows(vault.dataPath);
  return rows.all();
}

/** The root token that a server has printed; empty when it has not. */
function printedToken(output: string): string {
  return /^Root token {2}(bkms_\S+)$/m.exec(output)?.[1] ?? "";
}

/** The server's log lines with this message. */
function logged(vault: VaultAtWork, msg: string): readonly Record<string, unknown>[] {
  const lines = vault.server.output().split("\n");
  const found = lines.filter((line) => line.startsWith("{") && line.endsWith("}"));
  return found.map((line) => JSON.parse(line) as Record<string, unknown>).filter((line) => line["msg"] === msg);
}

const WAITING = "waiting for seals that cannot be reached";
const NOT_OPENED = "a seal did not open the vault";
const NOT_WRAPPED = "a seal did not wrap the root key of the new vault";

async function ready(vault: VaultAtWork): Promise<{ readonly status: number; readonly body: Record<string, string> }> {
  const response = await fetch(`${vault.server.url}/ready`);
  return { status: response.status, body: (await response.json()) as Record<string, string> };
}

test("a server whose seal is down waits for it, says so, and opens when it is back", async () => {
  await using vault = new VaultAtWork();
  await otherUp();
  await vault.initialise("transit", transit);
  await vault.value("secrets.put", { name: "s", value: "kept" });
  await vault.stop();
  const before = slotRows(vault);
  await otherDown();
  await vault.start(transit);
  const { state, sealed, type, failing_seals } = await vault.status();
  assert.deepEqual([state, sealed, type, failing_seals], ["waiting", true, "transit", ["transit"]]);
  const { status, body } = await ready(vault);
  assert.deepEqual([status, body["code"]], [503, "sealed"]);
  assert.match(body["error"] ?? "", /waits for a seal to be reached: transit/);
  assert.equal((await vault.call("secrets.get", { name: "s" })).code, "sealed");
  assert.match(vault.server.output(), /waits for a seal that cannot be reached/);
  await vault.until(() => logged(vault, NOT_OPENED).length > 0, "a line in the log");
  const [failure] = logged(vault, NOT_OPENED);
  assert.equal(failure?.["seal"], "transit");
  assert.match(JSON.stringify(failure?.["err"]), /cannot be reached/);
  // It waits twice as long after each try.
  await vault.until(() => logged(vault, WAITING).length === 2, "two tries");
  assert.deepEqual(
    logged(vault, WAITING).map(({ seals: kinds, retry_ms }) => [kinds, retry_ms]),
    [
      [["transit"], 1_000],
      [["transit"], 2_000],
    ],
  );
  await otherUp();
  await vault.until(async () => (await ready(vault)).status === 200, "open again");
  assert.equal((await vault.status())["state"], "unsealed");
  assert.equal((await vault.value("secrets.get", { name: "s" }))["value"], "kept");
  await vault.stop();
  assert.deepEqual(slotRows(vault), before);
});

test("of several slots the named ones are tried first, in their order; one that fails is shown as such", async () => {
  await using vault = new VaultAtWork();
  await otherUp();
  const all = withTransit(["env", "file"], "transit,file,env");
  await vault.start(all);
  assert.deepEqual((await vault.slots()).map(({ kind }) => kind).toSorted(), ["env", "file", "transit"]);
  assert.equal((await vault.status())["type"], "transit");
  await vault.until(async () => (await vault.slots()).every(({ state }) => state === "opens"), "all slots are checked");
  assert.match(await metrics(vault), /^bunkms_seals_failing 0$/m);
  await vault.stop();
  const before = slotRows(vault);
  await otherDown();

  await vault.start({ env: { ...all.env, ...wrongKey("BUNKMS_SEAL_FILE").env } });
  assert.deepEqual(
    logged(vault, NOT_OPENED).map(({ seal }) => seal),
    ["transit", "file"],
  );
  assert.equal((await vault.status())["type"], "env");
  await vault.until(async () => (await vault.status())["state"] === "degraded", "the others were checked");
  assert.deepEqual(((await vault.status())["failing_seals"] as string[]).toSorted(), ["file", "transit"]);
  assert.equal((await vault.status())["sealed"], false);
  const states = (await vault.slots()).map(({ kind, state }) => `${kind} ${state}`);
  assert.deepEqual(states.toSorted(), ["env opens", "file fails", "transit fails"]);
  assert.match(await metrics(vault), /^bunkms_seals_failing 2$/m);
  assert.equal((await ready(vault)).status, 200);
  assert.equal(logged(vault, "a seal no longer opens its slot").length, 2);
  // What needs the seal that is down is refused and changes nothing.
  assert.equal((await vault.call("seals.rotate_root")).code, "seal_unavailable");

  await vault.start(withTransit(["env", "file"], "env,transit,file"));
  assert.equal((await vault.status())["type"], "env");
  assert.deepEqual(logged(vault, NOT_OPENED), []);
  await vault.stop();
  assert.deepEqual(slotRows(vault), before);
});

test("REQ-11 a wrong key beside a slot of shares: sealed, waiting for shares, which open it", async () => {
  await using vault = new VaultAtWork();
  await vault.initialise("env", seals.settings(["env"]));
  await vault.addSlot("shamir");
  await vault.stop();
  const before = slotRows(vault);
  const wrong = wrongKey("BUNKMS_MASTER_KEY_FILE");
  await vault.start(wrong);
  const { state, type, t, n, progress, failing_seals } = await vault.status();
  assert.deepEqual([state, type, t, n, progress, failing_seals], ["sealed", "shamir", 2, 3, 0, []]);
  assert.equal((await ready(vault)).body["code"], "sealed");
  assert.deepEqual(
    logged(vault, NOT_OPENED).map(({ seal }) => seal),
    ["env"],
  );
  assert.equal(logged(vault, "the vault is sealed and waits for shares").length, 1);
  await vault.unseal();
  assert.equal((await vault.status())["type"], "shamir");
  await vault.until(async () => (await vault.status())["state"] === "degraded", "the slots were checked");
  await vault.stop();
  assert.deepEqual(slotRows(vault), before);
});

test("REQ-11 a wrong key, and no key at all, without another slot: not started, nothing made", async () => {
  await using vault = new VaultAtWork();
  await vault.initialise("env", seals.settings(["env"]));
  await vault.stop();
  const before = slotRows(vault);
  for (const [settings, text] of [
    [wrongKey("BUNKMS_MASTER_KEY_FILE"), /opens none of the seal slots of this vault \(slots: env\)/],
    [seals.settings(["file"]), /no settings for any of the seal slots of this vault \(slots: env\)/],
    [{ env: { BUNKMS_SEALS: "shamir" } }, /no settings for any of the seal slots of this vault \(slots: env\)/],
    [{ env: {} }, /master key is missing.*\(slots: env\)/],
  ] as const) {
    const { end, output } = await runServer(vault.dataPath, { env: settings.env });
    assert.ok(end === 1 || end === 2, output);
    assert.match(output, text);
    assert.deepEqual(slotRows(vault), before);
  }
});

test("a first start whose seal is down waits for it, says so, and makes the vault when it is back", async () => {
  await using vault = new VaultAtWork();
  const both = withTransit(["env"], "env,transit");
  await otherDown();
  await vault.start(both);
  assert.equal(vault.token, "");
  const { state, initialized, sealed, type, failing_seals } = await vault.status();
  assert.deepEqual([state, initialized, sealed, type, failing_seals], ["waiting", false, true, "transit", ["transit"]]);
  assert.equal((await vault.value("seals.get_init_status"))["initialized"], false);
  const { status, body } = await ready(vault);
  assert.deepEqual([status, body["code"]], [503, "not_initialised"]);
  assert.match(body["error"] ?? "", /no vault yet.* waits for a seal to be reached: transit/);
  assert.equal((await fetch(`${vault.server.url}/v1/sys/health`)).status, 501);
  assert.equal((await vault.call("keys.list")).code, "not_initialised");
  assert.match(vault.server.output(), /^There is no vault yet: it is made, and its root token printed, when/m);
  await vault.until(() => logged(vault, NOT_WRAPPED).length > 0, "a line in the log");
  const [failure] = logged(vault, NOT_WRAPPED);
  assert.equal(failure?.["seal"], "transit");
  assert.match(JSON.stringify(failure?.["err"]), /cannot be reached/);
  await vault.until(() => logged(vault, WAITING).length === 2, "two tries");
  assert.deepEqual(
    logged(vault, WAITING).map(({ seals: kinds, retry_ms }) => [kinds, retry_ms]),
    [
      [["transit"], 1_000],
      [["transit"], 2_000],
    ],
  );
  const refusal = await vault.call("seals.initialise");
  assert.equal(refusal.code, "seal_unavailable");
  assert.match(refusal.text, /the server makes the vault by itself, as soon as its seals can be reached: env, transit/);
  // It ends in order while it waits, at once, and has stored nothing, though one of the two seals answers.
  const stopping = performance.now();
  await vault.stop();
  assert.ok(performance.now() - stopping < 5_000);
  assert.deepEqual(allRows(vault), []);

  await vault.start(both);
  assert.equal((await vault.status())["state"], "waiting");
  await otherUp();
  await vault.until(() => printedToken(vault.server.output()) !== "", "the root token");
  vault.token = printedToken(vault.server.output());
  assert.equal((await vault.status())["state"], "unsealed");
  assert.equal((await ready(vault)).status, 200);
  assert.deepEqual((await vault.slots()).map(({ kind }) => kind).toSorted(), ["env", "transit"]);
  await vault.value("secrets.put", { name: "s", value: "kept" });
  const { entries } = await vault.value("audit.list");
  const operations = (entries as { operation: string }[]).map(({ operation }) => operation);
  assert.equal(operations.filter((operation) => operation === "system.initialise").length, 1);

  for (const kinds of [["env"], []] as const) {
    await vault.start(withTransit(kinds));
    assert.equal(vault.server.rootToken, "");
    assert.equal((await vault.value("secrets.get", { name: "s" }))["value"], "kept");
  }
});

test("in development mode the root token of a vault that was waited for is kept for the command line", async () => {
  await otherDown();
  const server = await startServer({ env: { ...transit.env, BUNKMS_SEALS: "transit" } });
  try {
    assert.equal(server.rootToken, "");
    assert.doesNotMatch(server.output(), /^CLI /m);
    await otherUp();
    const deadline = performance.now() + 60_000;
    while (!/^CLI /m.test(server.output())) {
      assert.ok(performance.now() < deadline, server.output());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const token = readFileSync(join(server.dataPath, "root-token"), "utf8").trim();
    assert.equal(token, printedToken(server.output()));
    const call = restTransport(server.url);
    assert.equal((await call.call(operationOf("keys.list"), {}, { token })).code, "ok");
    call.close();
    assert.equal(await server.stop(), 0);
  } finally {
    await server.remove();
  }
});

test("whoever asks for the vault while the server waits for its seal is refused, and the server makes the only one", async () => {
  await using vault = new VaultAtWork();
  await otherDown();
  await vault.start({ env: { ...transit.env, BUNKMS_SEALS: "transit" } });
  const codes = new Set<string>();
  const ask = async (): Promise<void> => {
    const requests = Array.from({ length: 16 }, (_, i) =>
      i % 2 === 0 ? {} : { secret_shares: 1, secret_threshold: 1 },
    );
    for (const { code, text } of await Promise.all(
      requests.map((request) => vault.call("seals.initialise", request)),
    )) {
      codes.add(code);
      assert.doesNotMatch(text, /bkms_|root_token/);
    }
  };
  await ask();
  assert.deepEqual([...codes], ["seal_unavailable"]);
  assert.equal((await vault.status())["state"], "waiting");
  // Until it is open, so that some come just when the server makes it.
  const opening = otherUp();
  await vault.until(async () => {
    await ask();
    return codes.has("already_initialised");
  }, "it is open");
  await opening;
  assert.deepEqual([...codes].toSorted(), ["already_initialised", "seal_unavailable"]);
  await vault.until(() => printedToken(vault.server.output()) !== "", "the root token");
  assert.equal(vault.server.output().match(/^Root token {2}/gm)?.length, 1);
  vault.token = printedToken(vault.server.output());
  assert.deepEqual(
    (await vault.slots()).map(({ kind }) => kind),
    ["transit"],
  );
  assert.equal(((await vault.value("tokens.list"))["tokens"] as unknown[]).length, 1);
  await vault.stop();
  assert.equal(slotRows(vault).filter((row) => row.startsWith("slot/")).length, 1);
});

test("while it waits for a seal, shares open it", async () => {
  await using vault = new VaultAtWork();
  await otherUp();
  await vault.initialise("transit", transit);
  await vault.addSlot("shamir");
  await otherDown();
  await vault.start(transit);
  assert.equal((await vault.status())["state"], "waiting");
  await vault.unseal();
  assert.equal((await vault.status())["type"], "shamir");
  await vault.until(async () => (await vault.status())["state"] === "degraded", "the slots were checked");
  // Without that slot nothing fails any more, and that is not to be told ten minutes later.
  await vault.removeSlot("transit");
  await vault.until(async () => (await vault.status())["state"] === "unsealed", "the slots were checked again");
});

async function metrics(vault: VaultAtWork): Promise<string> {
  const response = await fetch(`${vault.server.url}/metrics`, { headers: { authorization: `Bearer ${vault.token}` } });
  return response.text();
}
