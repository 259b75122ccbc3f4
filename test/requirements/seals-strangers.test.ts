import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import type { TestServer } from "../harness/server.ts";
import { readTrail } from "./audit-trail.ts";
import { type Answer, bothTransports, closeAll, type Transport } from "./operation-call.ts";
import { fromAddress, initialise, type MadeVault, SealCalls, startUninitialised } from "./shamir-vault.ts";
import { readContent } from "./vault-content.ts";

const HOUR_MS = 3_600_000;
const DISTURBANCES = 300;
const UNKNOWN_ATTEMPT = "0".repeat(32);

let server: TestServer;
let transports: readonly [Transport, Transport];
let vault: MadeVault;
let calls: SealCalls;

before(async () => {
  server = await startUninitialised();
  transports = bothTransports(server);
  vault = await initialise(transports[0]);
  calls = new SealCalls(transports[0], vault.rootToken);
});

after(async () => {
  closeAll(transports);
  await server.remove();
});

function share(index: number): string {
  return vault.shares[index] as string;
}

/** Offers a share for a root token, over one transport after the other. */
let offers = 0;
async function generate(key: string, attempt = "", requestId?: string): Promise<Answer> {
  offers += 1;
  const over = new SealCalls(transports[offers % 2] as Transport);
  return over.ask("seals.generate_root_token", { key, attempt }, requestId);
}

async function begin(key: string): Promise<string> {
  const { code, text, value } = await generate(key);
  assert.equal(code, "ok", text);
  assert.deepEqual([value["progress"], value["required"], value["root_token"]], [1, 3, ""]);
  return value["attempt"] as string;
}

/** What somebody without a share may try. */
function disturbance(i: number, attempt: string): readonly [action: string, request: JsonObject] {
  const tries = [
    ["seals.generate_root_token", { key: "nonsense", attempt }],
    ["seals.generate_root_token", { key: "nonsense", attempt: UNKNOWN_ATTEMPT }],
    ["seals.generate_root_token", { key: "nonsense" }],
    ["seals.generate_root_token", { key: "", attempt }],
    ["seals.unseal", { key: "nonsense" }],
    ["seals.unseal", { key: "", reset: true }],
    ["seals.unseal", { key: "nonsense", reset: true }],
    ["seals.initialise", { secret_shares: 1, secret_threshold: 1 }],
    ["seals.seal", {}],
    ["seals.get_status", {}],
  ] as const;
  return tries[i % tries.length] as (typeof tries)[number];
}

/** Disturbs from an address of its own, until it is done; no try may succeed. */
async function disturb(from: string, attempt: string): Promise<void> {
  const stranger = fromAddress(server.url, from);
  const over = new SealCalls(stranger);
  for (let i = 0; i < DISTURBANCES; i += 20) {
    const tries = Array.from({ length: 20 }, (_, k) => disturbance(i + k, attempt));
    const answers = await Promise.all(tries.map(([action, request]) => over.ask(action, request)));
    for (const [k, { code, value }] of answers.entries()) {
      const [action, request] = tries[k] as (typeof tries)[number];
      // An open vault takes no shares, right or wrong: it tells that it is open.
      const isIdle = action === "seals.get_status" || (action === "seals.unseal" && request["reset"] !== true);
      assert.ok(code !== "ok" || isIdle, `${action} ${JSON.stringify(request)}: ${code}`);
      assert.equal(value["root_token"] ?? "", "");
    }
  }
  stranger.close();
}

test("CVE-2026-5807 REQ-28 who has no share can neither begin nor end nor disturb an attempt at a root token", async () => {
  const before = await readContent(transports[0], vault.rootToken);
  const attempt = await begin(share(0));
  await disturb("127.0.5.1", attempt);
  assert.deepEqual(await readContent(transports[0], vault.rootToken), before);
  const disturbing = disturb("127.0.5.2", attempt);
  assert.equal((await generate(share(3), attempt)).value["progress"], 2);
  const last = await generate(share(1), attempt);
  assert.equal(last.code, "ok", last.text);
  assert.match(last.value["root_token"] as string, /^bkms_r_/);
  await disturbing;
});

test("CVE-2026-5807 REQ-28 who has no share can neither begin nor end nor disturb unsealing", async () => {
  await calls.seal();
  await disturb("127.0.5.3", UNKNOWN_ATTEMPT);
  assert.equal((await calls.status())["progress"], 0);
  assert.equal((await calls.offer(share(2))).value["progress"], 1);
  await disturb("127.0.5.4", UNKNOWN_ATTEMPT);
  assert.equal((await calls.status())["progress"], 1);
  const disturbing = disturb("127.0.5.5", UNKNOWN_ATTEMPT);
  await calls.unseal([share(4), share(0)]);
  await disturbing;
});

test("CVE-2026-5807 REQ-28 a holder of one share cannot end what others have begun either", async () => {
  const attempt = await begin(share(0));
  const others = new Set<string>();
  for (let i = 0; i < 100; i++) {
    others.add(await begin(share(1)));
  }
  assert.equal(others.size, 100);
  assert.equal((await generate(share(2), attempt)).value["progress"], 2);
  // His own earlier ones are over.
  assert.equal((await generate(share(3), [...others][0])).code, "invalid_request");
  assert.match((await generate(share(3), attempt)).value["root_token"] as string, /^bkms_r_/);
});

test("REQ-28 an attempt counts each share once, takes right ones only, and is used once", async () => {
  const attempt = await begin(share(0));
  assert.match((await generate(share(0), attempt)).text, /offered already/);
  assert.equal((await generate("nonsense", attempt)).code, "invalid_share");
  assert.equal((await generate(share(1), UNKNOWN_ATTEMPT)).code, "invalid_request");
  for (const wrong of ["x", "0".repeat(31), attempt.toUpperCase().replace(/^./, "A"), `${attempt} `]) {
    assert.equal((await generate(share(1), wrong)).code, "invalid_request", wrong);
  }
  await generate(share(1), attempt);
  // Two bring the last one at once.
  const answers = await Promise.all([generate(share(2), attempt), generate(share(3), attempt)]);
  const tokens = answers.filter(({ value }) => (value["root_token"] ?? "") !== "");
  assert.equal(tokens.length, 1);
  assert.deepEqual(answers.map(({ code }) => code).toSorted(), ["invalid_request", "ok"]);
  assert.equal((await generate(share(4), attempt)).code, "invalid_request");
});

test("REQ-28 REQ-33 a root token of holders lives an hour at most, and is recorded", async () => {
  const attempt = await begin(share(2));
  await generate(share(3), attempt);
  const made = await generate(share(4), attempt, "the-last-share");
  const { root_token, expires_at } = made.value as Record<string, string>;
  const left = Date.parse(expires_at as string) - Date.now();
  assert.ok(left > HOUR_MS - 60_000 && left <= HOUR_MS, `${left} ms`);
  const own = new SealCalls(transports[1], root_token);
  const self = (await own.asRoot("tokens.get_self")).value;
  assert.deepEqual([self["role"], self["expires_at"]], ["root", expires_at]);
  const { entries } = await readTrail(transports[0], root_token as string);
  const entry = entries.find(({ request_id }) => request_id === "the-last-share");
  assert.deepEqual(
    [entry?.operation, entry?.outcome, entry?.identity, entry?.response["attempt"]],
    ["seals.generate_root_token", "ok", "", attempt],
  );
  assert.ok(!JSON.stringify(entries).includes(root_token as string));
});

test("REQ-28 sealing ends all attempts, and shares that were replaced begin none", async () => {
  const attempt = await begin(share(0));
  await calls.seal();
  assert.equal((await generate(share(1), attempt)).code, "sealed");
  await calls.unseal(vault.shares.slice(0, 3));
  assert.equal((await generate(share(1), attempt)).code, "invalid_request");
  const another = await begin(share(0));
  const { id } = ((await calls.asRoot("seals.list_slots")).value["slots"] as { id: string }[])[0] as { id: string };
  assert.equal((await calls.asRoot("seals.rewrap_slot", { id })).code, "ok");
  assert.ok(["invalid_request", "invalid_share"].includes((await generate(share(1), another)).code));
  assert.match((await generate(share(1))).text, /replaced/);
});
