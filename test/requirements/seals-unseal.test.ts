import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ERRORS } from "@bunkms/contract";
import type { TestServer } from "../harness/server.ts";
import { seeded } from "../vectors/seeded.ts";
import { type Answer, bothTransports, closeAll, type Transport } from "./operation-call.ts";
import { fromAddress, initialise, type MadeVault, SealCalls, startUninitialised } from "./shamir-vault.ts";

const WRONG_PER_MINUTE = 10;

let server: TestServer;
let transports: readonly [Transport, Transport];
let vault: MadeVault;
let calls: SealCalls;
/** Of another cluster. */
let foreign: MadeVault;

before(async () => {
  const other = await startUninitialised();
  const rest = bothTransports(other);
  foreign = await initialise(rest[0]);
  closeAll(rest);
  await other.remove();
  server = await startUninitialised();
  transports = bothTransports(server);
  vault = await initialise(transports[0]);
  calls = new SealCalls(transports[0], vault.rootToken);
  assert.equal((await calls.asRoot("secrets.put", { name: "kept", value: "value" })).code, "ok");
});

after(async () => {
  closeAll(transports);
  await server.remove();
});

/** One share, in a form that people or programs may give it. */
const FORMS: readonly ((index: number) => string)[] = [
  (i) => share(i),
  (i) => share(i).toUpperCase(),
  (i) => share(i).replaceAll("-", ""),
  (i) => share(i).replaceAll("-", " "),
  (i) => ` ${share(i).replaceAll("-", "\n")}\r\n`,
  (i) => share(i).split("").join(" "),
  (i) => share(i).replaceAll("-", " \u2013 "),
  (i) => vault.hex[i] as string,
  (i) => (vault.hex[i] as string).toUpperCase(),
  (i) => `\t${(vault.hex[i] as string).replaceAll(/..../g, "$& ")}`,
  (i) => vault.base64[i] as string,
  (i) => `${vault.base64[i]}\n`,
];

function share(index: number): string {
  return vault.shares[index] as string;
}

/** All ways to choose 3 of 5. */
function subsets(): readonly (readonly number[])[] {
  const all: number[][] = [];
  for (let a = 0; a < 5; a++) {
    for (let b = a + 1; b < 5; b++) {
      for (let c = b + 1; c < 5; c++) {
        all.push([a, b, c]);
      }
    }
  }
  return all;
}

async function isOpen(): Promise<void> {
  assert.equal((await calls.asRoot("secrets.get", { name: "kept" })).value["value"], "value");
}

test("REQ-26 any 3 of the 5 shares open the vault, in any order, in any form, over any transport", async (t) => {
  const random = seeded();
  t.diagnostic(`BUNKMS_TEST_SEED=${random.seed}`);
  let offered = 0;
  const tried = subsets();
  assert.equal(tried.length, 10);
  for (const subset of tried) {
    await calls.seal();
    const shuffled = subset.toSorted(() => random.below(2) - 0.5);
    for (const [at, index] of shuffled.entries()) {
      const form = FORMS[offered % FORMS.length] as (index: number) => string;
      offered += 1;
      const { code, text, value } = await new SealCalls(transports[offered % 2] as Transport).offer(form(index));
      assert.equal(code, "ok", `${text}: form ${form}`);
      const isLast = at === 2;
      assert.deepEqual(
        [value["progress"], value["sealed"], value["state"]],
        isLast ? [0, false, "unsealed"] : [at + 1, true, "sealed"],
      );
      if (!isLast) {
        assert.equal((await calls.asRoot("secrets.get", { name: "kept" })).code, "sealed");
      }
    }
    await isOpen();
  }
});

test("REQ-26 a share that is wrong is named, and those that are there go on counting", async () => {
  const { id } = ((await calls.asRoot("seals.list_slots")).value["slots"] as { id: string }[])[0] as { id: string };
  const renewed = (await calls.asRoot("seals.rewrap_slot", { id })).value["shares"] as string[];
  const replaced = share(0);
  await calls.seal();
  const [first = "", second = "", third = ""] = renewed;
  assert.equal((await calls.offer(first)).value["progress"], 1);
  const mistyped = second.replace(/.$/, (letter) => (letter === "q" ? "p" : "q"));
  const wrong: readonly (readonly [what: string, share: string, text: RegExp])[] = [
    ["mistyped", mistyped, /mistyped/],
    ["mistyped hex", `${vault.hex[0]?.slice(0, -1)}${vault.hex[0]?.endsWith("0") ? "1" : "0"}`, /mistyped/],
    ["foreign", foreign.shares[0] as string, /another cluster/],
    ["foreign hex", foreign.hex[0] as string, /another cluster/],
    ["replaced", replaced, /replaced/],
    ["repeated", first, /offered already/],
    ["repeated in another form", first.toUpperCase().replaceAll("-", ""), /offered already/],
    ["cut", second.slice(0, -6), /80 letters/],
    ["mixed", `${second.slice(0, 40).toUpperCase()}${second.slice(40)}`, /small or all capital/],
    ["none", "correct horse battery staple", /not a share/],
    ["too long", "a".repeat(1001), /too long/],
  ];
  for (const [at, [what, key, text]] of wrong.entries()) {
    // Nobody has more than a few tries a minute.
    const from = fromAddress(server.url, `127.0.1.${at + 1}`);
    for (const transport of at % 2 === 0 ? [from, transports[1]] : [from]) {
      const answer = await new SealCalls(transport).offer(key);
      assert.deepEqual([answer.code, answer.status > 0], ["invalid_share", true], what);
      assert.match(answer.text, text, what);
      assert.ok(!answer.text.includes(key.slice(10, 30)), what);
    }
    from.close();
    assert.equal((await calls.status())["progress"], 1, what);
  }
  assert.equal((await calls.offer("")).code, "invalid_share");
  assert.equal((await calls.offer(second, { migrate: true })).code, "invalid_request");
  assert.equal((await calls.offer("a".repeat(1025))).code, "invalid_request");
  assert.equal((await calls.status())["progress"], 1);
  await calls.unseal([second, third]);
  await isOpen();
  vault = { ...vault, shares: renewed };
});

test("REQ-28 only who has a share can have those that were offered forgotten", async () => {
  await calls.seal();
  const stranger = fromAddress(server.url, "127.0.2.1");
  await calls.offer(share(0));
  await calls.offer(share(1));
  for (const key of ["", "nonsense", foreign.shares[0] as string]) {
    const { code } = await new SealCalls(stranger).offer(key, { reset: true });
    assert.equal(code, "invalid_share", key);
    assert.equal((await calls.status())["progress"], 2);
  }
  stranger.close();
  const reset = await calls.offer(share(4), { reset: true });
  assert.deepEqual([reset.code, reset.value["progress"]], ["ok", 0]);
  await calls.unseal(vault.shares.slice(0, 3));
  await isOpen();
});

test("REQ-28 wrong shares are limited by the address that they come from, and hinder no right one, not even from there", async () => {
  await calls.seal();
  assert.equal((await calls.offer(share(0))).value["progress"], 1);
  const attacker = fromAddress(server.url, "127.0.3.1");
  const guess = new SealCalls(attacker);
  for (let i = 0; i < WRONG_PER_MINUTE; i++) {
    assert.equal((await guess.offer(i % 2 === 0 ? "nonsense" : (foreign.shares[1] as string))).code, "invalid_share");
  }
  const { http } = ERRORS.too_many_requests;
  for (const more of [{}, { reset: true }]) {
    const { code, status } = await guess.offer("nonsense", more);
    assert.deepEqual([code, status], ["too_many_requests", http]);
  }
  assert.equal((await calls.status())["progress"], 1);
  // Somebody with a share may be behind the same address.
  assert.equal((await guess.offer(share(1))).value["progress"], 2);
  attacker.close();
  const neighbour = fromAddress(server.url, "127.0.3.2");
  await new SealCalls(neighbour).unseal([share(2)]);
  neighbour.close();
  await isOpen();
});

test("REQ-28 right shares are not limited: a vault is sealed and opened more often than wrong ones may come", async () => {
  const holder = fromAddress(server.url, "127.0.4.1");
  for (let i = 0; i < WRONG_PER_MINUTE; i++) {
    await calls.seal();
    await new SealCalls(holder).unseal(vault.shares.slice(0, 3));
  }
  holder.close();
  await isOpen();
});

test("REQ-28 all five holders at once open the vault, each share counted once", async () => {
  for (let round = 0; round < 5; round++) {
    await calls.seal();
    const answers: Answer[] = await Promise.all(
      vault.shares.flatMap((key, i) =>
        [0, 1].map((twice) => new SealCalls(transports[(i + twice) % 2] as Transport).offer(key)),
      ),
    );
    for (const { code, text } of answers) {
      assert.ok(code === "ok" || code === "conflict" || /offered already/.test(text), `${code}: ${text}`);
    }
    assert.equal((await calls.status())["sealed"], false);
    await isOpen();
  }
});
