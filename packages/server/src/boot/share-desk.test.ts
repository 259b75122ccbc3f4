import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { newRootKey, rewrapSlot, wrapSlot } from "../vault/root.ts";
import { issueShares } from "./shamir-slots.ts";
import { ShareDesk } from "./share-desk.ts";

const NEVER = new AbortController().signal;
const SOURCE = "127.0.0.1";

test("shares open what their slot holds now: a rotation of the root key leaves the shares, also those offered", async () => {
  const cluster = randomBytes(16);
  const { seal, issued } = await issueShares(cluster, { shares: 2, threshold: 2, recipients: [] });
  const [first, second] = issued.texts as [string, string];
  const slot = await wrapSlot(cluster, newRootKey(), seal, Date.now(), NEVER);
  const rotated = newRootKey();
  const desk = new ShareDesk();
  desk.use([slot]);
  assert.equal(desk.offer(first, SOURCE), undefined);

  desk.use([await rewrapSlot(slot, rotated, seal.seal, NEVER)]);
  assert.equal(desk.progress.progress, 1);
  const opened = await desk.offer(second, SOURCE)?.open(NEVER);
  assert.deepEqual(opened?.root.key, rotated);
});

test("shares that were offered are forgotten when their set is replaced", async () => {
  const cluster = randomBytes(16);
  const request = { shares: 2, threshold: 2, recipients: [] };
  const before = await issueShares(cluster, request);
  const after = await issueShares(cluster, request);
  const slot = await wrapSlot(cluster, newRootKey(), before.seal, Date.now(), NEVER);
  const desk = new ShareDesk();
  desk.use([slot]);
  desk.offer(before.issued.texts[0] as string, SOURCE);

  const described = { ...slot, parameters: after.seal.parameters };
  desk.use([await rewrapSlot(described, newRootKey(), after.seal.seal, NEVER)]);
  assert.equal(desk.progress.progress, 0);
  assert.throws(() => desk.offer(before.issued.texts[1] as string, SOURCE), { code: "invalid_share" });
});
