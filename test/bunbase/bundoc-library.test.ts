import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { runProgram } from "../../scripts/run-program.ts";
import { buildTool, patched, unpatched } from "./bundoc-build.ts";
import { BundocKms, type WrappedRecord } from "./bundoc-kms.ts";
import { Probe } from "./bundoc-probe.ts";
import { filesWith, textHolds } from "./key-search.ts";

const folder = await mkdtemp(join(tmpdir(), "bunkms-bundoc-"));
const kms = await BundocKms.start();
const other = await BundocKms.start();
after(async () => {
  await Promise.all([kms.remove(), other.remove(), rm(folder, { recursive: true })]);
});
const tool = await buildTool(folder);
const raw = "0123456789abcdefghijklmnopqrstuv";

async function recordOf(database: string): Promise<WrappedRecord> {
  return JSON.parse(await readFile(join(database, "bunkms-dek.json"), "utf8"));
}

async function recordInCatalog(database: string): Promise<WrappedRecord | undefined> {
  return JSON.parse(await readFile(join(database, "system_catalog.json"), "utf8"))["bunkms"];
}

async function runTool(args: readonly string[], stdin?: string): Promise<string> {
  const input = join(folder, "input");
  await writeFile(input, stdin ?? "", { mode: 0o600 });
  // Not through the environment of this process: a shell gives standard input.
  const command = `exec "$0" "$@" < '${input}'`;
  const { code, output } = await runProgram("sh", ["-c", command, tool, ...args], { env: kms.settings });
  await rm(input);
  if (code !== 0) {
    throw new Error(output);
  }
  return output;
}

for (const [name, build] of [
  ["Bundoc as it is", async () => unpatched().probe()],
  ["Bundoc with the patches", async () => (await patched()).probe()],
] as const) {
  describe(name, async () => {
    const program = await build();
    let made = 0;

    function newFolder(): string {
      made += 1;
      return join(folder, name.replaceAll(" ", "-"), `database-${made}`);
    }

    function open(database: string, settings = kms.settings): Promise<Probe> {
      return Probe.open(program, database, settings);
    }

    /** A database with a document. */
    async function newDatabase(settings: Readonly<Record<string, string>> = kms.settings): Promise<string> {
      const database = newFolder();
      const probe = await open(database, settings);
      await probe.put("notes", "one", "a text to look for");
      await probe.close();
      return database;
    }

    async function mustHold(database: string, settings = kms.settings): Promise<void> {
      const probe = await open(database, settings);
      assert.equal(await probe.get("notes", "one"), "a text to look for");
      await probe.close();
    }

    async function mustRefuse(database: string, kind: string, settings = kms.settings): Promise<string> {
      let text = "";
      await assert.rejects(open(database, settings), (error: Error & { kind?: string }) => {
        text = error.message;
        assert.equal(error.kind, kind, text);
        return true;
      });
      return text;
    }

    test("an encrypted database survives restarts, and its DEK is in no file", async () => {
      const database = newFolder();
      for (let round = 0; round < 3; round += 1) {
        const probe = await open(database);
        for (let at = 0; at < 100; at += 1) {
          await probe.put(`c${round}`, `${at}`, `a text to look for, ${round}, ${at}`);
        }
        await probe.do("index", { collection: `c${round}` });
        for (let earlier = 0; earlier <= round; earlier += 1) {
          assert.equal(await probe.get(`c${earlier}`, "77"), `a text to look for, ${earlier}, 77`);
          const found = { collection: `c${earlier}`, text: `a text to look for, ${earlier}, 5` };
          assert.equal(await probe.do("find", found), "1");
        }
        await probe.close();
        assert.deepEqual(await recordInCatalog(database), await recordOf(database));
        assert.ok(!(await readFile(join(database, "data.db"))).includes("a text to look for"));
      }
      const record = await recordOf(database);
      assert.equal(record.cluster_id, await kms.clusterId());
      assert.equal(record.encryption_context["database"], basename(database));
      const dek = await kms.unwrap(record);
      assert.equal(dek.length, 32);
      assert.deepEqual(await filesWith(dek, [folder, ...kms.folders]), []);
      assert.ok(!textHolds(dek, kms.output));
      // The search finds what is there.
      const planted = join(folder, "planted");
      await writeFile(planted, `x${Buffer.concat([Buffer.from("a"), dek]).toString("base64url")}`);
      assert.deepEqual(await filesWith(dek, [folder]), [planted]);
      await rm(planted);
    });

    test("documents in the write-ahead log are sealed by the patch, and only by it", async () => {
      const database = await newDatabase();
      const logs = await readdir(join(database, "wal"));
      const contents = await Promise.all(logs.map((log) => readFile(join(database, "wal", log))));
      const isPlain = Buffer.concat(contents).includes("a text to look for");
      assert.equal(isPlain, name === "Bundoc as it is");
    });

    test("the wrapped DEK survives a crash after the catalog was written", async () => {
      const database = await newDatabase();
      const probe = await open(database);
      await probe.do("rules", { collection: "notes" });
      await probe.kill();
      assert.equal((await recordInCatalog(database)) === undefined, name === "Bundoc as it is");
      await mustHold(database);
      assert.deepEqual(await recordInCatalog(database), await recordOf(database));
    });

    test("two processes that start at once have one DEK", async () => {
      const database = newFolder();
      const probes = await Promise.all([open(database), open(database), open(database)]);
      const record = await recordOf(database);
      for (const probe of probes) {
        await probe.close();
      }
      const probe = await open(database);
      await probe.put("notes", "one", "a text to look for");
      await probe.close();
      await mustHold(database);
      assert.equal((await recordOf(database)).wrapped_dek, record.wrapped_dek);
    });

    test("while BunKMS is down nothing is opened and nothing is made; what is open goes on", async () => {
      const [database, fresh] = [await newDatabase(), newFolder()];
      const warm = await open(database);
      const before = await readFile(join(database, "bunkms-dek.json"));
      await kms.stop();
      await mustRefuse(fresh, "unavailable", kms.impatient);
      await assert.rejects(stat(fresh));
      await mustRefuse(database, "unavailable", kms.impatient);
      await warm.put("notes", "two", "written meanwhile");
      await warm.close();
      await kms.restart();
      assert.deepEqual(await readFile(join(database, "bunkms-dek.json")), before);
      const probe = await open(database);
      assert.equal(await probe.get("notes", "two"), "written meanwhile");
      await probe.close();
    });

    test("a start waits for a BunKMS that comes up in time", async () => {
      const database = await newDatabase();
      await kms.stop();
      const opening = open(database);
      await kms.restart();
      await (await opening).close();
    });

    test("after a rotation the DEK is wrapped anew, and the data stays", async () => {
      const [database, stale] = [await newDatabase(), await newDatabase()];
      const before = await readFile(join(database, "data.db"));
      const probe = await open(database, { ...kms.settings, BUNDOC_BUNKMS_REWRAP: "off" });
      const { latest_version: latest } = await kms.call("POST", "/v1/keys/bundoc/rotate");
      assert.match(await runTool(["rewrap", database]), new RegExp(`version ${Number(latest) - 1}, now ${latest}\n$`));
      await probe.close();
      assert.deepEqual(await readFile(join(database, "data.db")), before);
      await mustHold(database);
      assert.deepEqual(await recordInCatalog(database), await recordOf(database));
      // By itself, at the next start.
      const { latest_version: last } = await kms.call("POST", "/v1/keys/bundoc/rotate");
      await mustHold(database);
      const shown = JSON.parse(await runTool(["show", database]));
      assert.equal(shown["key_version"], last);
      // Now the old versions may go. What was left behind says so, and comes back.
      await kms.call("PATCH", "/v1/keys/bundoc", { min_decryption_version: last });
      await mustHold(database);
      const text = await mustRefuse(stale, "refused");
      assert.match(text, new RegExp(`key "bundoc", version ${Number(latest) - 1}.*min_decryption_version`));
      await kms.call("PATCH", "/v1/keys/bundoc", { min_decryption_version: 1 });
      await mustHold(stale);
    });

    test("a wrong token, key or DEK is refused by name", async () => {
      const database = await newDatabase();
      const token = join(folder, "wrong-token");
      await writeFile(token, "bkms_o_wrong", { mode: 0o600 });
      await mustRefuse(database, "denied", { ...kms.settings, BUNDOC_BUNKMS_TOKEN_FILE: token });
      await mustRefuse(newFolder(), "refused", { ...kms.settings, BUNDOC_BUNKMS_KEY: "missing" });
      await mustRefuse(database, "wrong_key", { ...kms.settings, BUNDOC_BUNKMS_KEY: "missing" });
      await kms.call("POST", "/v1/keys/bundoc/disable");
      await mustRefuse(database, "refused");
      await kms.call("POST", "/v1/keys/bundoc/enable");
      const strange = await newDatabase();
      await cp(join(strange, "data.db"), join(database, "data.db"));
      await mustRefuse(database, "data_mismatch");
    });

    test("files copied from another database or cluster are refused, with both names", async () => {
      const database = await newDatabase();
      const renamed = newFolder();
      await cp(database, renamed, { recursive: true });
      const text = await mustRefuse(renamed, "wrong_database");
      assert.ok(text.includes(basename(database)) && text.includes(basename(renamed)), text);
      const both = [await kms.clusterId(), await other.clusterId()];
      for (const files of [["bunkms-dek.json"], []]) {
        const elsewhere = join(newFolder(), basename(database));
        await cp(database, elsewhere, { recursive: true });
        for (const file of files) {
          await rm(join(elsewhere, file));
        }
        const foreign = await mustRefuse(elsewhere, "foreign_cluster", other.settings);
        assert.ok(
          both.every((cluster) => foreign.includes(cluster)),
          foreign,
        );
      }
    });

    test("without its wrapped DEK, or with a part of it, a database is refused and gets no new one", async () => {
      const database = await newDatabase();
      const path = join(database, "bunkms-dek.json");
      const whole = await readFile(path);
      await truncate(path, whole.length - 40);
      await mustRefuse(database, "damaged");
      await rm(path);
      // The catalog's copy is enough.
      await mustHold(database);
      assert.deepEqual(await readFile(path), whole);
      await rm(path);
      const catalog = JSON.parse(await readFile(join(database, "system_catalog.json"), "utf8"));
      await writeFile(join(database, "system_catalog.json"), JSON.stringify({ ...catalog, bunkms: undefined }));
      await mustRefuse(database, "no_wrapped_key");
      await assert.rejects(stat(path));
    });

    test("a raw key is adopted once it opens the data", async () => {
      const database = await newDatabase({ PROBE_RAW_KEY: raw });
      await mustRefuse(database, "no_wrapped_key");
      const before = await readFile(join(database, "data.db"));
      await assert.rejects(runTool(["adopt", database], raw.replace("0", "1")), /does not open the data/);
      await assert.rejects(runTool(["adopt", database], "short"), /no raw key/);
      await runTool(["adopt", database], Buffer.from(raw).toString("base64"));
      assert.deepEqual(await readFile(join(database, "data.db")), before);
      await mustHold(database);
      await assert.rejects(runTool(["adopt", database], raw), /exists already/);
      assert.deepEqual(await kms.unwrap(await recordOf(database)), Buffer.from(raw));
    });

    test("a DEK is rotated by a copy, as is a raw key, and plain data is encrypted", async () => {
      const settings = { rotate: kms.settings, reencrypt: { PROBE_RAW_KEY: raw }, encrypt: {} };
      for (const [command, old] of Object.entries(settings)) {
        const database = newFolder();
        const probe = await open(database, old);
        for (let at = 0; at < 100; at += 1) {
          await probe.put("notes", `${at}`, `text ${at}`);
        }
        await probe.put("notes", "one", "a text to look for");
        await probe.do("index", { collection: "notes" });
        await probe.close();
        const fresh = join(dirname(database), "new", basename(database));
        await runTool([command, database, fresh], raw);
        await rename(database, `${database}.old`);
        await rename(fresh, database);
        const again = await open(database);
        assert.equal(await again.get("notes", "one"), "a text to look for");
        assert.equal(await again.do("find", { collection: "notes", text: "text 42" }), "1");
        await again.close();
        if (command === "rotate") {
          const deks = [await recordOf(database), await recordOf(`${database}.old`)].map((record) =>
            kms.unwrap(record),
          );
          const [now, before] = await Promise.all(deks);
          assert.notDeepEqual(now, before);
        }
        assert.ok(!(await readFile(join(database, "data.db"))).includes("a text to look for"));
      }
    });

    test("a database that holds its own BunKMS's data is refused", async () => {
      const database = await newDatabase();
      const marker = join(database, "bunkms-cluster.json");
      await writeFile(marker, JSON.stringify({ cluster_id: await other.clusterId() }));
      await mustHold(database);
      await writeFile(marker, JSON.stringify({ cluster_id: await kms.clusterId() }));
      assert.ok((await mustRefuse(database, "circular")).includes(await kms.clusterId()));
    });
  });
}
