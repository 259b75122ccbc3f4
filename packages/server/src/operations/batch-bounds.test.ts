import assert from "node:assert/strict";
import { test } from "node:test";
import { fromJson, toBinary } from "@bufbuild/protobuf";
import { BunkmsError, KeyBatchService } from "@bunkms/contract";
import { testCalls } from "../boot/test-calls.ts";
import type { KeyUse } from "./key-use.ts";
import { tryVersions } from "./versions-tried.ts";

const NEVER = new AbortController().signal;

/** A key of so many versions, all of which can be used. */
function keyOf(versions: number): KeyUse {
  const use = {
    key: { latestVersion: versions, minDecryptionVersion: 1 },
    version: async (version: number) => version,
    count: () => {},
  };
  return use as unknown as KeyUse;
}

const items = (count: number) => Array.from({ length: count }, () => ({ message_b64: "AAAA" }));

test("REQ-37 a search through a key's versions lets others have their turn", async () => {
  let turn = 0;
  let on = true;
  const count = (): void => {
    turn += 1;
    if (on) {
      setImmediate(count);
    }
  };
  setImmediate(count);
  const tries = new Map<number, number>();
  const search = () =>
    tryVersions(keyOf(100), 0, { ending: NEVER }, async () => {
      for (const end = performance.now() + 0.5; performance.now() < end; ) {
        // Busy, as a code over a long message is.
      }
      tries.set(turn, (tries.get(turn) ?? 0) + 1);
      return false;
    });
  assert.equal(await search(), 0);
  const most = Math.max(...tries.values());
  on = false;
  assert.ok(most <= 6, `${most} tries in one turn of the event loop`);
});

test("REQ-37 a search ends with the call that it is for", async () => {
  const aborted = new AbortController();
  const reason = new BunkmsError("cancelled");
  let tries = 0;
  const search = tryVersions(keyOf(100), 0, { ending: aborted.signal }, async () => {
    tries += 1;
    if (tries === 3) {
      aborted.abort(reason);
    }
    return false;
  });
  await assert.rejects(search, reason);
  assert.equal(tries, 3);
});

test("REQ-37 a batch that would try thousands of versions is refused, and told to name the version", async () => {
  const calls = await testCalls();
  await calls.call("keys.create", { name: "k", type: "ed25519" });
  for (let version = 2; version <= 5; version++) {
    await calls.call("keys.rotate", { name: "k" });
  }
  const { signature_b64: signature } = await calls.call("keys.sign", { name: "k", message_b64: "AAAA", version: 1 });
  const itemOf = (message: string) => ({ message_b64: message, signature_b64: signature as string });
  const fits = Array.from({ length: 800 }, () => itemOf("AAAB"));
  const answer = await calls.call("keys.verify_batch", { name: "k", items: fits });
  assert.equal((answer["results"] as { valid: boolean }[]).length, 800);
  const tooMany = { name: "k", items: [...fits, itemOf("AAAB")] };
  await assert.rejects(calls.call("keys.verify_batch", tooMany), (error: BunkmsError) => {
    assert.equal(error.code, "invalid_request");
    assert.match(error.message, /^version: name the one/);
    return true;
  });
  assert.equal(await calls.code("keys.verify_batch", { ...tooMany, version: 1 }), "ok");
});

test("REQ-37 signatures that are too long for one answer are refused after the first", async () => {
  const calls = await testCalls();
  await calls.call("keys.create", { name: "k", type: "slh-dsa-sha2-128f" });
  const started = performance.now();
  await calls.call("keys.sign_batch", { name: "k", items: items(1) });
  const oneMs = performance.now() - started;
  const before = performance.now();
  await assert.rejects(calls.call("keys.sign_batch", { name: "k", items: items(1000) }), (error: BunkmsError) => {
    assert.equal(error.code, "payload_too_large");
    // 4 MiB of signatures of 17,088 bytes (FIPS 205 section 11).
    assert.match(error.message, /at most 245 /);
    return true;
  });
  const ms = performance.now() - before;
  assert.ok(ms < 50 * oneMs + 500, `${ms} ms, where one signature takes ${oneMs} ms`);
});

test("the largest answer with signatures is one that gRPC's clients take, in either encoding", async () => {
  const calls = await testCalls();
  await calls.call("keys.create", { name: "k", type: "ml-dsa-87" });
  const { output } = KeyBatchService.method.signBatch;
  for (const encoding of ["", "jose"]) {
    const request = (count: number) => ({ name: "k", encoding, items: items(count) });
    const refusal = await calls.call("keys.sign_batch", request(1000)).catch((error: Error) => error.message);
    const most = Number(/at most ([0-9]+) /.exec(String(refusal))?.[1]);
    const answer = await calls.call("keys.sign_batch", request(most));
    const { length } = toBinary(output, fromJson(output, answer));
    assert.ok(length <= 4 * 1024 * 1024, `${most} with the encoding "${encoding}": ${length} bytes`);
    assert.equal(await calls.code("keys.sign_batch", request(most + 1)), "payload_too_large");
  }
});

test("REQ-07 a batch under way is worked no further once the vault is sealed", async () => {
  const calls = await testCalls();
  await calls.call("keys.create", { name: "k", type: "slh-dsa-sha2-128s" });
  const started = performance.now();
  await calls.call("keys.sign_batch", { name: "k", items: items(1) });
  const oneMs = performance.now() - started;
  const batch = calls.code("keys.sign_batch", { name: "k", items: items(100) });
  await new Promise((resolve) => setTimeout(resolve, oneMs));
  await calls.call("seals.seal", {});
  const sealed = performance.now();
  assert.equal(await batch, "sealed");
  const ms = performance.now() - sealed;
  assert.ok(ms < 20 * oneMs, `${ms} ms after the seal, where one signature takes ${oneMs} ms`);
});

test("REQ-37 an error does not say of each item of a batch what is wrong with it", async () => {
  const calls = await testCalls();
  const refusal = async (count: number): Promise<string> => {
    const request = { key_name: "k", items: Array.from({ length: count }, () => ({})) };
    return calls.call("keys.encrypt_batch", request).then(
      () => "",
      (error: Error) => error.message,
    );
  };
  const told = (count: number) =>
    Array.from({ length: count }, (_, i) => `items[${i}].data: exactly one field is required in oneof`);
  assert.equal(await refusal(10), told(10).join("; "));
  assert.equal(await refusal(1000), [...told(10), "and 990 more"].join("; "));
  assert.equal(await refusal(100_000), "items: must contain no more than 1000 item(s)");
});

test("REQ-37 nor does it of each pair of a map that has too many", async () => {
  const calls = await testCalls();
  const named = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`!${i}`, ""]));
  const refused = (tags: Record<string, string>, message: string | RegExp) =>
    assert.rejects(calls.call("keys.create", { name: "k", type: "aes-256", tags }), { message });
  await refused(named(33), "tags: map must be at most 32 entries");
  await refused(named(1), /^tags: /);
  const good = Object.fromEntries(Object.keys(named(33)).map((name) => [name.slice(1), ""]));
  await refused(good, "tags: map must be at most 32 entries");
});
