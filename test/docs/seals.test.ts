import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readSealSettings, settledKinds } from "../../packages/server/src/config/seal-settings.ts";
import { SETTINGS, type SettingName } from "../../packages/server/src/config/settings.ts";
import { SEAL_KINDS, type SealKind } from "../../packages/server/src/config/value-type.ts";
import { ensureAge } from "../../scripts/age-program.ts";
import { startServer } from "../harness/server.ts";
import { PIN, startSoftHsm } from "../seals/softhsm.ts";
import { ROOT } from "./documents.ts";
import { Reader } from "./reader.ts";
import { readTour } from "./tour.ts";

const PAGE = readFileSync(join(ROOT, "docs", "seals.md"), "utf8");
/** In the order of the page, and before the sections of single seals. */
const GENERAL = [
  "What a seal is",
  "Choosing",
  "How each is set up",
  "The ceremony",
  "What to do when",
  "Moving from one seal to another",
  "Monitoring",
];

test("every command of docs/seals.md's general part does what the page says", { timeout: 600_000 }, async (t) => {
  await ensureAge();
  const hsm = startSoftHsm();
  const reader = new Reader("docs/seals.md");
  try {
    await hsm.addToken("bunkms");
    await hsm.tool("bunkms", "--keygen", "--key-type", "AES:32", "--label", "bunkms-root", "--id", "01", "--sensitive");
    const blocks = GENERAL.flatMap((heading) => readTour(PAGE, heading));
    for (const block of blocks) {
      await reader.follow(block);
      if (block.commands.includes("mkdir -m 700 ~/bunkms ")) {
        writeFileSync(join(reader.env["HOME"] as string, "bunkms", "pin"), PIN, { mode: 0o600 });
      }
    }
    assert.equal(reader.executed, blocks.length);
    t.diagnostic(`${blocks.length} blocks`);
  } finally {
    await reader.leave();
    hsm.remove();
  }
});

test("docs/seals.md has the general sections, and then one for each seal that another keeps", () => {
  const headings = [...PAGE.matchAll(/^## (.*)$/gm)].map((match) => match[1] as string);
  assert.deepEqual(headings.slice(0, GENERAL.length), GENERAL);
  const own: readonly string[] = ["env", "file", "shamir"] satisfies readonly SealKind[];
  const others = SEAL_KINDS.filter((kind) => !own.includes(kind));
  assert.deepEqual(headings.slice(GENERAL.length), [...others, "OpenBao's command line"]);
});

/** The rows of the first table in a section, by their first cell without its backticks. */
function tableOf(heading: string): ReadonlyMap<string, readonly string[]> {
  const section = PAGE.slice(PAGE.indexOf(`\n## ${heading}\n`)).split("\n\n");
  const rows = section.find((part) => part.startsWith("|"))?.split("\n") ?? assert.fail(`no table in ${heading}`);
  const cells = rows.slice(2).map((row) => row.split("|").map((cell) => cell.trim()));
  return new Map(cells.map(([, name = "", ...rest]) => [name.replaceAll("`", ""), rest]));
}

/** The settings that a text names, sorted. */
function settingsIn(text: string): readonly SettingName[] {
  const names = [...text.matchAll(/`(BUNKMS_[A-Z0-9_]+)`/g)].map((match) => match[1]);
  return (Object.keys(SETTINGS) as SettingName[]).filter((name) => names.includes(SETTINGS[name].env)).toSorted();
}

/** All settings of a kind, sorted. */
function settingsOf(kind: SealKind): readonly SettingName[] {
  const names = Object.keys(SETTINGS) as SettingName[];
  const isIts = (name: SettingName): boolean =>
    kind === "env" ? /masterKey/i.test(name) : SETTINGS[name].description.startsWith(`Seal \`${kind}\`:`);
  return names.filter(isIts).toSorted();
}

test("the tables of docs/seals.md have all kinds of seals, and of each all settings", () => {
  assert.deepEqual(
    [...tableOf("Choosing").keys()].flatMap((name) => name.split(", ")).toSorted(),
    SEAL_KINDS.toSorted(),
  );
  const setUp = tableOf("How each is set up");
  assert.deepEqual([...setUp.keys()].toSorted(), SEAL_KINDS.toSorted());
  for (const kind of SEAL_KINDS) {
    assert.deepEqual(settingsIn((setUp.get(kind) ?? []).join(" ")), settingsOf(kind), kind);
  }
});

test("the section of each seal names all of its settings, and those of no other", () => {
  for (const kind of SEAL_KINDS.filter((one) => PAGE.includes(`\n## ${one}\n`))) {
    const [, section = ""] = PAGE.split(`\n## ${kind}\n`);
    assert.deepEqual(settingsIn(section.split("\n## ")[0] as string), settingsOf(kind), kind);
  }
});

test("what docs/seals.md says a seal needs is enough, and none of it can be left away", async () => {
  const folder = await mkdtemp(join(tmpdir(), "bunkms-needs-"));
  try {
    const path = join(folder, "secret");
    writeFileSync(path, "0a".repeat(32), { mode: 0o600 });
    const sample = { PATH: path, TEXT: "name", URL: "https://kms.example.com/keys/name" } as Readonly<
      Record<string, string>
    >;
    for (const [kind, [needs = ""]] of tableOf("How each is set up")) {
      const names = settingsIn(needs);
      const isSettled = (given: readonly SettingName[]): boolean => {
        const values = Object.fromEntries(given.map((name) => [name, sample[SETTINGS[name].type.placeholder]]));
        try {
          return settledKinds(readSealSettings(values, (read) => read())).has(kind as SealKind);
        } catch {
          return false;
        }
      };
      assert.ok(isSettled(names), `${kind}: ${names.join(", ")}`);
      for (const name of names) {
        assert.ok(!isSettled(names.filter((other) => other !== name)), `${kind} without ${name}`);
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("the codes in docs/seals.md's table for monitoring are those that a server answers", async () => {
  const rows = [...tableOf("Monitoring")].flatMap(([name, cells]) => {
    const path = /^GET ([^\s,]+)/.exec(name)?.[1];
    return path === undefined || name.includes("BUNKMS_METRICS_PUBLIC") ? [] : [{ path, cells }];
  });
  const env = { BUNKMS_SEALS: "shamir" };
  const server = await startServer({ dev: false, env, args: ["--store", "memory", "--log-level", "warn"] });
  /** Compares a column of the table, and leaves out what gives no code there. */
  async function compare(column: number): Promise<number> {
    const codes = rows.flatMap(({ path, cells }) => {
      const code = /^\d{3}/.exec(cells[column] ?? "")?.[0];
      return code === undefined ? [] : [`${path} ${code}`];
    });
    const answers = codes.map(async (line) => {
      const [path = ""] = line.split(" ");
      return `${path} ${(await fetch(server.url + path)).status}`;
    });
    assert.deepEqual(await Promise.all(answers), codes);
    return codes.length;
  }
  try {
    const [open, sealed, none] = [0, 1, 2];
    assert.equal(await compare(none), rows.length);
    const shares = JSON.stringify({ secret_shares: 1, secret_threshold: 1 });
    const headers = { "content-type": "application/json" };
    const made = await fetch(`${server.url}/v1/sys/init`, { method: "POST", headers, body: shares });
    const { root_token } = (await made.json()) as { root_token: string };
    assert.equal(await compare(open), rows.length - 1);
    const authorization = `Bearer ${root_token}`;
    await fetch(`${server.url}/v1/sys/seal`, { method: "POST", headers: { ...headers, authorization }, body: "{}" });
    assert.equal(await compare(sealed), rows.length);
  } finally {
    await server.remove();
  }
});

test("metrics that the operator made public tell that the vault is sealed, or not there yet", async () => {
  const env = { BUNKMS_SEALS: "shamir", BUNKMS_METRICS_PUBLIC: "true" };
  const server = await startServer({ dev: false, env, args: ["--store", "memory", "--log-level", "warn"] });
  try {
    const answer = await fetch(`${server.url}/metrics`);
    assert.equal(answer.status, 200);
    assert.match(await answer.text(), /^bunkms_sealed 1$/m);
    // With a token, which nobody can look up now, it is no public call.
    const headers = { authorization: "Bearer nobody" };
    assert.equal((await fetch(`${server.url}/metrics`, { headers })).status, 503);
  } finally {
    await server.remove();
  }
});
