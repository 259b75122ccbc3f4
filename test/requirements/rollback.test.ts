import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { copyFolder } from "../faults/sealed-vault.ts";
import { startServer } from "../harness/server.ts";
import { VaultAtWork } from "../seals/vault-at-work.ts";
import { readTrail, type TrailEntry } from "./audit-trail.ts";
import { operationOf, restTransport } from "./operation-call.ts";
import { runServer } from "./server-run.ts";

const DATABASE = ["bunkms.db", "bunkms.db-wal", "bunkms.db-shm"];

/** A vault whose data can be put back behind its server's back. */
class OldData {
  readonly folder: string;
  readonly dataPath: string;
  readonly env: Readonly<Record<string, string>>;
  token = "";

  /** @param witnessFile Elsewhere than in the data folder, if it is given. */
  constructor(context: TestContext, witnessFile?: string) {
    this.folder = mkdtempSync(join(tmpdir(), "bunkms-rollback-"));
    context.after(() => rmSync(this.folder, { recursive: true, force: true }));
    this.dataPath = join(this.folder, "data");
    const keyFile = join(this.folder, "master.key");
    writeFileSync(keyFile, randomBytes(32).toString("hex"), { mode: 0o600 });
    const witness = witnessFile === undefined ? {} : { BUNKMS_WITNESS_FILE: join(this.folder, witnessFile) };
    this.env = { BUNKMS_MASTER_KEY_FILE: keyFile, ...witness };
  }

  /** Starts the server, stores each of these secrets, and ends it in order, or by SIGKILL once the witness file is there. */
  async work(secrets: readonly string[], end: "stop" | "kill" = "stop", args: readonly string[] = []): Promise<Told> {
    const server = await startServer({ dev: false, dataPath: this.dataPath, env: this.env, args });
    this.token ||= server.rootToken;
    const rest = restTransport(server.url);
    try {
      for (const name of secrets) {
        const put = await rest.call(operationOf("secrets.put"), { name, value: name }, { token: this.token });
        assert.equal(put.code, "ok", put.text);
      }
      const listed = await rest.call(operationOf("secrets.list"), {}, { token: this.token });
      const { entries } = await readTrail(rest, this.token);
      if (end === "kill") await this.#witnessed(entries.length);
      const names = (listed.value["secrets"] as { name: string }[]).map(({ name }) => name);
      return { names, entries };
    } finally {
      rest.close();
      if (end === "stop") await server.stop();
      await server.remove();
    }
  }

  /** The server writes it each second. */
  async #witnessed(entries: number): Promise<void> {
    const path = this.env["BUNKMS_WITNESS_FILE"] ?? join(this.dataPath, "witness");
    for (const deadline = performance.now() + 30_000; ; ) {
      const found = existsSync(path) ? /^entries (\d+)$/m.exec(readFileSync(path, "utf8"))?.[1] : undefined;
      if (Number(found) >= entries) return;
      assert.ok(performance.now() < deadline, "the witness file cannot be written");
      await sleep(20);
    }
  }

  copyTo(name: string): void {
    copyFolder(this.dataPath, join(this.folder, name));
  }

  /** Puts the whole folder back, as it was copied. */
  putBack(name: string): void {
    rmSync(this.dataPath, { recursive: true });
    copyFolder(join(this.folder, name), this.dataPath);
  }

  /** Puts only the database back. */
  putBackDatabase(name: string): void {
    copyFolder(join(this.folder, name), join(this.folder, "of-database"));
    for (const file of DATABASE) {
      rmSync(join(this.dataPath, file), { force: true });
      const old = join(this.folder, "of-database", file);
      if (existsSync(old)) renameSync(old, join(this.dataPath, file));
    }
  }

  /** Starts a server that must refuse. @returns What it printed. */
  async refused(...args: readonly string[]): Promise<string> {
    const { end, output } = await runServer(this.dataPath, { env: this.env, args });
    assert.equal(end, 1, output);
    return output;
  }
}

interface Told {
  readonly names: readonly string[];
  /** The newest first. */
  readonly entries: readonly TrailEntry[];
}

function generationIn(output: string): string {
  return /--accept-rollback (\d+)/.exec(output)?.[1] ?? assert.fail(output);
}

/** Refused until it is accepted; then recorded; and then nothing special any more. */
async function refusedUntilAccepted(data: OldData): Promise<void> {
  const output = await data.refused();
  assert.match(output, /older or changed records; restore the newest copy/);
  const generation = generationIn(output);
  assert.match(await data.refused("--accept-rollback", String(Number(generation) + 1)), /--accept-rollback/);
  assert.match(await data.refused("new-root-token"), /--accept-rollback/);
  const accepted = await data.work([], "stop", ["--accept-rollback", generation]);
  assert.deepEqual(accepted.names, ["yesterday"]);
  const recorded = accepted.entries.filter(({ operation }) => operation === "system.accept_rollback");
  assert.deepEqual(
    recorded.map(({ resource, outcome }) => [resource, outcome]),
    [[`generation/${generation}`, "ok"]],
  );
  const { names, entries } = await data.work(["tomorrow"]);
  assert.deepEqual(names, ["tomorrow", "yesterday"]);
  assert.equal(entries.filter(({ operation }) => operation === "system.accept_rollback").length, 1);
}

for (const end of ["stop", "kill"] as const) {
  test(`REQ-09 yesterday's copy of the whole data folder is noticed by a witness file elsewhere, after a ${end}`, async (context) => {
    const data = new OldData(context, "witness-of-data");
    await data.work(["yesterday"]);
    data.copyTo("copy");
    await data.work(["today"], end);
    data.copyTo("newest");
    data.putBack("copy");
    await refusedUntilAccepted(data);
  });
}

test("REQ-09 yesterday's copy of the database alone is noticed by the witness file beside it", async (context) => {
  const data = new OldData(context);
  await data.work(["yesterday"]);
  data.copyTo("copy");
  await data.work(["today"]);
  data.putBackDatabase("copy");
  await refusedUntilAccepted(data);
});

test("REQ-09 a copy is noticed too where nothing was changed since, but calls were recorded", async (context) => {
  const data = new OldData(context, "witness-of-data");
  await data.work(["yesterday"]);
  data.copyTo("copy");
  await data.work([]);
  data.putBack("copy");
  assert.match(await data.refused(), /audit entries/);
});

test("REQ-09 where a vault is missing, as with a disk that is not mounted or a log that was not copied, no new one is made", async (context) => {
  for (const witness of ["witness-of-data", undefined]) {
    const data = new OldData(context, witness);
    await data.work(["yesterday"]);
    data.copyTo("copy");
    for (const name of readdirSync(data.dataPath).filter((file) => file.startsWith("bunkms.db"))) {
      rmSync(join(data.dataPath, name));
    }
    assert.match(await data.refused(), /witness\S* is there, but there is no vault in the data folder/);
    data.putBack("copy");
    assert.deepEqual((await data.work([])).names, ["yesterday"]);
  }
});

test("a first start writes over no file that is named as the witness file by mistake", async (context) => {
  const data = new OldData(context, "master.key");
  const path = join(data.folder, "master.key");
  const before = readFileSync(path, "utf8");
  for (const seals of ["env", "env,shamir"]) {
    const env = { ...data.env, BUNKMS_SEALS: seals };
    const { end, output } = await runServer(data.dataPath, { env });
    assert.equal(end, 1, output);
    assert.match(output, /master\.key is there, but there is no vault/);
  }
  assert.equal(readFileSync(path, "utf8"), before);
});

test("REQ-09 a new root token for an older copy needs the same acceptance, and records it", async (context) => {
  const data = new OldData(context, "witness-of-data");
  await data.work(["yesterday"]);
  data.copyTo("copy");
  await data.work(["today"]);
  data.putBack("copy");
  const generation = generationIn(await data.refused("new-root-token"));
  const args = ["new-root-token", "--accept-rollback", generation];
  const { end, output } = await runServer(data.dataPath, { env: data.env, args });
  assert.equal(end, 0, output);
  // The token is one mutation more, and the witness file still knows of later ones.
  const next = generationIn(await data.refused());
  const { entries } = await data.work([], "stop", ["--accept-rollback", next]);
  const recorded = entries.filter(({ operation }) => operation === "system.accept_rollback");
  assert.deepEqual(
    recorded.map(({ resource }) => resource),
    [`generation/${next}`, `generation/${generation}`],
  );
});

test("REQ-09 a refusal changes nothing: the newest data are still taken afterwards", async (context) => {
  const data = new OldData(context, "witness-of-data");
  await data.work(["yesterday"]);
  data.copyTo("copy");
  await data.work(["today"]);
  data.copyTo("newest");
  data.putBack("copy");
  await data.refused();
  data.putBack("newest");
  assert.deepEqual((await data.work([])).names, ["today", "yesterday"]);
});

test("REQ-09 shares open no older copy, until it is accepted", async (context) => {
  const vault = new VaultAtWork();
  context.after(() => vault[Symbol.asyncDispose]());
  const env = { BUNKMS_WITNESS_FILE: join(vault.folder, "witness") };
  await vault.initialise("shamir", { env });
  await vault.value("secrets.put", { name: "yesterday", value: "v" });
  await vault.stop();
  const copy = copyFolder(vault.dataPath, join(vault.folder, "copy"));
  await vault.restart({ env });
  await vault.value("secrets.put", { name: "today", value: "v" });
  await vault.stop();
  rmSync(vault.dataPath, { recursive: true });
  copyFolder(copy, vault.dataPath);

  await vault.start({ env });
  const [, first = "", second = ""] = vault.shares;
  await vault.value("seals.unseal", { key: first });
  const { code, text } = await vault.call("seals.unseal", { key: second });
  assert.equal(code, "vault_damaged");
  assert.equal((await vault.status())["state"], "sealed");
  assert.equal((await vault.call("secrets.get", { name: "yesterday" })).code, "sealed");
  const generation = generationIn(vault.server.output());
  assert.doesNotMatch(text, /generation/, "what anybody is told says nothing of the vault");
  await vault.restart({ env, args: ["--accept-rollback", generation] });
  assert.equal((await vault.call("secrets.get", { name: "yesterday" })).code, "ok");
  const trail = await vault.value("audit.list", { page_size: 1_000 });
  const entries = trail["entries"] as unknown as TrailEntry[];
  assert.equal(entries.filter(({ operation }) => operation === "system.accept_rollback").length, 1);
});

test("a witness file that cannot be written is reported, and does not keep the server from its work", async (context) => {
  const data = new OldData(context, "missing/witness");
  const server = await startServer({ dev: false, dataPath: data.dataPath, env: data.env });
  try {
    for (const deadline = performance.now() + 30_000; !server.output().includes("witness file cannot be written"); ) {
      assert.ok(performance.now() < deadline, server.output());
      await sleep(20);
    }
    assert.equal((await fetch(`${server.url}/ready`)).status, 200);
  } finally {
    await server.remove();
  }
});
