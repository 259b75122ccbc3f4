import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import {
  COSIGNATURE_ED25519,
  cosignCheckpoint,
  ED25519,
  formatTlogProof,
  formatVkey,
  nodesOfTiles,
  parseNote,
  parseVkey,
  proveInclusion,
  tileHashes,
} from "@bunkms/tlog";
import { mirrorLog } from "../../packages/cli/src/audit/mirror-log.ts";
import { readTrust } from "../../packages/cli/src/audit/trust.ts";
import { fakeIo, type Outcome, runLine, temporaryFolder } from "../../packages/cli/src/test-bed.ts";
import { GrowingLog } from "./growing-log.ts";
import { makeSigner } from "./sample-log.ts";

/** A mirror of a log of 600 entries, and an older checkpoint of 300. */
interface Given {
  readonly log: GrowingLog;
  /** First of the log's keys. */
  readonly vkey: string;
  readonly mirror: string;
  path(name: string): string;
  write(name: string, content: string | Uint8Array): string;
  /** Runs `bunkms audit …`, with no server to talk to. */
  audit(...argv: string[]): Promise<Outcome>;
}

function withMirror(name: string, body: (given: Given) => Promise<void>): void {
  void test(name, async () => {
    using folder = temporaryFolder();
    const path = (file: string): string => join(folder.path, file);
    const write = (file: string, content: string | Uint8Array): string => {
      mkdirSync(dirname(path(file)), { recursive: true });
      writeFileSync(path(file), content);
      return path(file);
    };
    const log = new GrowingLog(300);
    const { vkey } = log;
    write("older", await log.checkpoint());
    log.grow(600);
    const mirror = path("mirror");
    const trust = await readTrust(fakeIo().io, { key: vkey });
    await mirrorLog(log, mirror, trust, "", { whole: false, allowPruned: false, onProgress: () => {} });
    const audit = (...argv: string[]) => runLine(["audit", ...argv], "http://127.0.0.1:1");
    await body({ log, vkey, mirror, path, write, audit });
  });
}

/** A receipt of an entry. @param extra The entry, if the receipt is to bring it. */
async function receiptOf(log: GrowingLog, index: number, extra?: Buffer): Promise<string> {
  const size = log.entries.length;
  const nodes = nodesOfTiles(size, async (level, tile, width) =>
    tileHashes((await log.read({ level, index: tile, width })) as Buffer, width),
  );
  const path = await proveInclusion(index, size, nodes);
  const checkpoint = (await log.checkpoint()).toString();
  return formatTlogProof({ ...(extra === undefined ? {} : { extra }), index, path, checkpoint });
}

const document = readFileSync(new URL("../../docs/auditing.md", import.meta.url), "utf8");

describe("bunkms audit verify", () => {
  withMirror("takes the key as argument, in a file or in a policy", async ({ audit, mirror, vkey, write }) => {
    const keys = write("keys", `# of the log\n${vkey}\n`);
    const policy = write("policy", `log ${vkey}\nquorum none\n`);
    for (const trust of [
      ["--key", vkey],
      ["--key-file", keys],
      ["--policy", policy],
    ]) {
      const { code, stdout } = await audit("verify", mirror, ...trust);
      assert.equal(code, 0);
      assert.match(stdout, /\nverified entries +600\nverified\n$/);
    }
  });

  withMirror("refuses keys that are none, and two ways at once", async ({ audit, mirror, vkey, write, path }) => {
    const cases: readonly (readonly [RegExp, ...string[]])[] = [
      [/nothing says whom to trust/],
      [/--key: the verifier key does not have the form.*\n.*--key-file\./, "--key", path("keys")],
      [/has no key/, "--key-file", write("empty", "# nothing\n")],
      [/does not have the form/, "--key-file", write("bad", `${vkey}\nx\n`)],
      [/there is no such file/, "--key-file", path("absent")],
      [/line 1: /, "--policy", write("policy", "lag\n")],
      [/cannot be used with/, "--key", vkey, "--policy", path("policy")],
      [/--only-new goes with --since/, "--key", vkey, "--only-new"],
      [/--entry goes with --receipt/, "--key", vkey, "--entry", path("older")],
    ];
    for (const [message, ...argv] of cases) {
      const { code, stderr } = await audit("verify", mirror, ...argv);
      assert.deepEqual([code, message.test(stderr)], [2, true], stderr);
    }
  });

  withMirror("wants as many witnesses as the policy", async ({ audit, mirror, vkey, write }) => {
    const witness = makeSigner("witness.example/w1", COSIGNATURE_ED25519);
    const policy = write("policy", `log ${vkey}\nwitness w1 ${formatVkey(witness.key)}\nquorum w1\n`);
    const without = await audit("verify", mirror, "--policy", policy);
    assert.deepEqual([without.code, without.stderr.includes("not cosigned by the quorum")], [8, true]);
    const note = readFileSync(join(mirror, "checkpoint"), "utf8");
    const line = cosignCheckpoint(parseNote(note).text, witness.key, witness.privateKey, 1_796_000_000);
    writeFileSync(join(mirror, "checkpoint"), note + line);
    const { code, stdout } = await audit("verify", mirror, "--policy", policy);
    assert.equal(code, 0);
    assert.match(stdout, /\nwitness +w1 2026-11-30T00:53:20Z\n/);
  });

  withMirror("compares with an older checkpoint, of which only what is new may be looked at", async (given) => {
    const { audit, mirror, vkey, path, log, write } = given;
    const since = ["--key", vkey, "--since", path("older")];
    assert.equal((await audit("verify", mirror, ...since)).code, 0);
    rmSync(join(mirror, "tile/entries/000"));
    assert.equal((await audit("verify", mirror, ...since)).code, 8);
    const onlyNew = await audit("verify", mirror, ...since, "--only-new");
    assert.equal(onlyNew.code, 0);
    assert.match(onlyNew.stderr, /^Not looked at: entries before 300/);
    log.grow(700);
    const ahead = await audit("verify", mirror, "--key", vkey, "--since", write("newer", await log.checkpoint()));
    assert.equal(ahead.code, 8);
    assert.match(ahead.stdout, /fewer than the checkpoint of 700 entries: its end was cut off/);
    const other = await audit(
      "verify",
      mirror,
      "--key",
      vkey,
      "--since",
      write("x", await new GrowingLog(3).checkpoint()),
    );
    assert.equal(other.code, 8);
  });

  withMirror("verifies the range between two checkpoints that were kept, whatever came after", async (given) => {
    const { audit, mirror, vkey, path, log, write } = given;
    const middle = write("middle", await log.checkpoint());
    log.grow(1000);
    await mirrorLog(log, mirror, await readTrust(fakeIo().io, { key: vkey }), "", {
      whole: false,
      allowPruned: false,
      onProgress: () => {},
    });
    const range = ["--key", vkey, "--since", path("older"), "--until", middle, "--only-new"];
    const spoil = (name: string) =>
      writeFileSync(join(mirror, name), readFileSync(join(mirror, name), "latin1").replace("op.", "xx."), "latin1");
    // Outside of the range.
    spoil("tile/entries/000");
    spoil("tile/entries/003.p/232");
    const { code, stdout, stderr } = await audit("verify", mirror, ...range);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /^log .*\nentries +600\n(?:.*\n)*verified entries +344\nverified\n$/);
    assert.match(stderr, /Not looked at: entries before 300.*\nNot looked at: entries from 600 on\.\n$/);
    spoil("tile/entries/002");
    const spoilt = await audit("verify", mirror, ...range);
    assert.equal(spoilt.code, 8);
    assert.match(spoilt.stdout, /\ntile\/entries\/002\.p\/88: entry 512: the entry is not the one/);
    const turned = await audit("verify", mirror, "--key", vkey, "--since", middle, "--until", path("older"));
    assert.deepEqual([turned.code, turned.stderr.includes("of more entries than")], [2, true]);
    log.grow(1100);
    const ahead = await audit("verify", mirror, "--key", vkey, "--until", write("newer", await log.checkpoint()));
    assert.deepEqual([ahead.code, ahead.stderr.includes("its end was cut off")], [8, true]);
    const stranger = await new GrowingLog(3).checkpoint();
    assert.equal((await audit("verify", mirror, "--key", vkey, "--until", write("other", stranger))).code, 8);
  });

  withMirror("says what was pruned, when that is allowed", async ({ audit, mirror, vkey }) => {
    rmSync(join(mirror, "tile/entries/000"));
    const refused = await audit("verify", mirror, "--key", vkey);
    assert.equal(refused.code, 8);
    assert.match(refused.stdout, /\ntile\/entries\/000: entry 0: the bundle is missing\nNOT verified: 1 problem\n$/);
    const allowed = await audit("verify", mirror, "--key", vkey, "--allow-pruned");
    assert.equal(allowed.code, 0);
    assert.match(allowed.stderr, /^Not looked at: 256 entries that were pruned/);
  });

  withMirror("tells programs where a problem is", async ({ audit, mirror, vkey }) => {
    const bundle = join(mirror, "tile/entries/001");
    writeFileSync(bundle, readFileSync(bundle, "latin1").replace("op.300", "op.301"), "latin1");
    const { code, stdout } = await audit("verify", mirror, "--key", vkey, "--json");
    assert.equal(code, 8);
    const { verified, problems, entries_verified } = JSON.parse(stdout);
    assert.deepEqual([verified, entries_verified], [false, 599]);
    assert.deepEqual(problems, [
      {
        path: "tile/entries/001",
        entry: 300,
        message: "the entry is not the one whose hash is in the tile: tile/0/001",
      },
    ]);
  });

  withMirror("with --json prints one object and no other, whatever kept it from verifying", async (given) => {
    const { audit, mirror, vkey, path, log, write } = given;
    log.grow(700);
    const newer = write("newer", await log.checkpoint());
    const cases: readonly (readonly [number, RegExp, ...string[]])[] = [
      [8, /^the log has 600 entries, fewer than .* its end was cut off$/, mirror, "--key", vkey, "--until", newer],
      [8, /^the log has 600 entries, fewer than .* its end was cut off$/, mirror, "--key", vkey, "--since", newer],
      [8, /known key$/, mirror, "--key", new GrowingLog(1).vkey],
      [8, /^.*keys: the note is not/, mirror, "--key", vkey, "--since", write("keys", `${vkey}\n`)],
      [8, /^.*bad: the proof has no checkpoint$/, "--receipt", write("bad", "x"), "--key", vkey],
      [8, /^.*handovers: the file does not begin/, mirror, "--key", vkey, "--handovers", write("handovers", "x")],
      [8, /no plain file/, write("folder/checkpoint/x", "").slice(0, -"/checkpoint/x".length), "--key", vkey],
      [2, /^nothing says whom to trust$/, mirror],
      [2, /^cannot read .*: there is no such file$/, mirror, "--key-file", path("absent")],
      [2, /has no checkpoint$/, path("absent"), "--key", vkey],
      [2, /^--only-new goes with --since$/, mirror, "--key", vkey, "--only-new"],
      [2, /^give a folder or a receipt, not both$/, mirror, "--receipt", path("bad"), "--key", vkey],
      // The server that is not there.
      [6, /127\.0\.0\.1:1/, "--key", vkey],
    ];
    for (const [exitCode, message, ...argv] of cases) {
      const { code, stdout, stderr } = await audit("verify", "--json", ...argv);
      const { verified, problems, ...rest } = JSON.parse(stdout);
      assert.deepEqual([code, verified, problems.length], [exitCode, false, 1], stdout);
      assert.match(problems[0].message, message);
      // What is wrong with the log itself comes with what the log is.
      assert.equal(stderr.startsWith(`bunkms: ${problems[0].message}\n`), Object.keys(rest).length === 0, stderr);
    }
  });

  withMirror(
    "with --json prints the members that docs/auditing.md lists",
    async ({ audit, log, mirror, vkey, write }) => {
      const receipt = write("receipt", await receiptOf(log, 5, log.entries[5]));
      const documented = (rows: RegExp) => {
        const table = document.slice(document.indexOf("| member | value |")).split("\n\n", 1)[0] ?? "";
        const named = table.split("\n").filter((row) => rows.test(row));
        return named.flatMap((row) => (row.split("|")[1] as string).match(/\w+/g) ?? []).toSorted();
      };
      for (const [rows, ...argv] of [
        [/^\| `(?!index)/, mirror],
        [/^\| `(?!entries)/, "--receipt", receipt],
      ] as const) {
        const { stdout } = await audit("verify", ...argv, "--key", vkey, "--json");
        assert.deepEqual(Object.keys(JSON.parse(stdout)).toSorted(), documented(rows));
      }
    },
  );

  withMirror("takes hand-overs from beside the log or from a file, and refuses wrong ones", async (given) => {
    const { audit, log, mirror, vkey, write } = given;
    log.rotate();
    log.grow(610);
    const handovers = await log.handovers();
    const trust = await readTrust(fakeIo().io, { key: vkey }, handovers);
    await mirrorLog(log, mirror, trust, handovers, { whole: false, allowPruned: false, onProgress: () => {} });
    assert.equal((await audit("verify", mirror, "--key", vkey)).code, 0);
    const file = write("handovers", handovers);
    rmSync(join(mirror, "handovers"));
    assert.equal((await audit("verify", mirror, "--key", vkey)).code, 8);
    assert.equal((await audit("verify", mirror, "--key", vkey, "--handovers", file)).code, 0);
    for (const text of [handovers.replace("600", "601"), `x\n${handovers}`, handovers.slice(0, -2)]) {
      const { code } = await audit("verify", mirror, "--key", vkey, "--handovers", write("handovers", text));
      assert.equal(code, 8);
    }
  });

  withMirror("names the earlier key that has signed a kept checkpoint, and how to give it", async (given) => {
    const { audit, log, mirror, vkey, path, write } = given;
    for (const size of [610, 620]) {
      log.rotate();
      log.grow(size);
    }
    const handovers = await log.handovers();
    const trust = await readTrust(fakeIo().io, { key: vkey }, handovers);
    await mirrorLog(log, mirror, trust, handovers, { whole: false, allowPruned: false, onProgress: () => {} });
    const id = parseVkey(vkey).id.toString("hex");
    const since = async (checkpoint: string, ...trusted: readonly string[]) =>
      await audit("verify", mirror, "--since", checkpoint, ...trusted);
    const policy = (...keys: readonly string[]) =>
      write("policy", `${keys.map((key) => `log ${key}\n`).join("")}quorum none\n`);
    const none = ["--handovers", write("none", "")];

    for (const trusted of [
      ["--key", log.vkey],
      ["--policy", policy(log.vkey)],
    ]) {
      const named = await since(path("older"), ...trusted);
      assert.equal(named.code, 8);
      const give = trusted[0] === "--key" ? "Give that key" : "Name that key in the policy";
      assert.match(named.stderr, new RegExp(`known key\\n  It is signed by key ${id}, an earlier one .*\\. ${give}, `));
      const unled = await since(path("older"), ...trusted, ...none);
      assert.equal(unled.code, 8);
      const several = trusted[0] === "--key" ? "--key-file takes" : "a policy takes";
      assert.match(unled.stderr, new RegExp(`known key\\n  It names key ${id} .* give it, too: ${several} several, `));
    }
    // What is advised is enough.
    assert.equal((await since(path("older"), "--key", vkey)).code, 0);
    assert.equal((await since(path("older"), "--policy", policy(vkey))).code, 0);
    assert.equal((await since(path("older"), "--policy", policy(vkey, log.vkey), ...none)).code, 0);
    assert.equal((await since(path("older"), "--key-file", write("keys", `${log.vkey}\n${vkey}\n`), ...none)).code, 0);

    const other = formatVkey(makeSigner("another/log", ED25519).key);
    const { code, stderr } = await audit("verify", mirror, "--key", other);
    assert.equal(code, 8);
    const { name } = parseVkey(vkey);
    assert.ok(
      stderr.endsWith(`\n  It says that it is of the log ${name}; what is given is the key of another/log.\n`),
      stderr,
    );
    assert.match((await audit("verify", mirror, "--policy", policy())).stderr, /; no log's key is given\.\n$/);

    // No earlier key has signed these.
    const forged = write("forged", readFileSync(path("older"), "utf8").replace("\n300\n", "\n301\n"));
    const stranger = write("stranger", await new GrowingLog(3).checkpoint());
    for (const file of [forged, stranger]) {
      const { code, stderr } = await since(file, "--key", log.vkey);
      assert.deepEqual([code, /It names key/.test(stderr), /is signed by/.test(stderr)], [8, true, false], stderr);
    }
    assert.match((await since(forged, "--key", vkey)).stderr, /does not verify\n$/);
  });

  withMirror("of a folder that is no mirror says so", async ({ audit, path, vkey }) => {
    const { code, stderr } = await audit("verify", path("nothing"), "--key", vkey);
    assert.equal(code, 2);
    assert.match(stderr, /has no checkpoint/);
  });
});

describe("bunkms audit verify --receipt", () => {
  withMirror("verifies the entry that it brings, or another one that is given", async ({ audit, log, vkey, write }) => {
    const entry = log.entries[5] as Buffer;
    const whole = write("whole", await receiptOf(log, 5, entry));
    const { code, stdout } = await audit("verify", "--receipt", whole, "--key", vkey);
    assert.equal(code, 0);
    assert.match(stdout, /^index +5\nentry +\{"v":1,.*"op\.5"\}\n(?:.*\n)*verified\n$/);
    const json = JSON.parse((await audit("verify", "--receipt", whole, "--key", vkey, "--json")).stdout);
    assert.deepEqual(
      [json.verified, json.problems, json.index, json.size, json.entry_b64],
      [true, [], 5, 600, entry.toString("base64")],
    );
    const bare = write("bare", await receiptOf(log, 5));
    assert.equal((await audit("verify", "--receipt", bare, "--key", vkey)).code, 2);
    const given = ["--entry", write("entry", entry)];
    assert.equal((await audit("verify", "--receipt", bare, "--key", vkey, ...given)).code, 0);
    writeFileSync(given[1] as string, "{}");
    assert.equal((await audit("verify", "--receipt", whole, "--key", vkey, ...given)).code, 8);
    assert.equal((await audit("verify", "--receipt", write("x", "x"), "--key", vkey)).code, 8);
    const other = await audit("verify", "--receipt", whole, "--key", new GrowingLog(1).vkey);
    assert.equal(other.code, 8);
    assert.match(other.stderr, new RegExp(`names key ${parseVkey(vkey).id.toString("hex")} of the same log`));
  });
});

describe("bunkms audit export", () => {
  withMirror("gives a range of entries, to the byte", async ({ audit, log, mirror }) => {
    const { code, stdout } = await audit("export", mirror, "--from", "250", "--to", "520");
    assert.equal(code, 0);
    const lines = stdout.trimEnd().split("\n");
    assert.equal(lines.length, 271);
    for (const [i, line] of lines.entries()) {
      assert.equal(line, `{"index":${250 + i},"entry":${log.entries[250 + i]}}`);
    }
  });

  withMirror("filters by time, and writes CEF", async ({ audit, mirror, path }) => {
    assert.equal((await audit("export", mirror, "--since", "10m")).stdout.split("\n").length, 601);
    assert.equal((await audit("export", mirror, "--since", "1m")).stdout, "");
    assert.equal((await audit("export", mirror, "--until", "10m")).stdout, "");
    const { code } = await audit("export", mirror, "--format", "cef", "--to", "1", "--out", path("cef"));
    assert.equal(code, 0);
    assert.match(readFileSync(path("cef"), "utf8"), /^CEF:0\|.* act=op\.0 .*\nCEF:0\|.* act=op\.1 .*\n$/);
    assert.equal((await audit("export", mirror, "--out", path("cef"))).code, 5);
    assert.equal((await audit("export", mirror, "--format", "xml")).code, 2);
    assert.equal((await audit("export", mirror, "--since", "5m", "--until", "6m")).code, 2);
    assert.equal((await audit("export", mirror, "--from", "5", "--to", "4")).code, 2);
    assert.match((await audit("export", mirror, "--from", "5", "--to", "5")).stdout, /^\{"index":5,.*\n$/);
  });

  withMirror("says which entries are not there, or not whole", async ({ audit, mirror }) => {
    writeFileSync(join(mirror, "tile/entries/001"), "x");
    assert.equal((await audit("export", mirror)).code, 8);
    rmSync(join(mirror, "tile/entries/001"));
    const { code, stderr } = await audit("export", mirror);
    assert.equal(code, 4);
    assert.match(stderr, /has no entries around 256/);
  });
});
