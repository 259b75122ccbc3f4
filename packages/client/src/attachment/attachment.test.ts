import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import type { BunkmsClient } from "../client.ts";
import { RequestError, UnexpectedAnswerError } from "../errors.ts";
import { readAttachment, sendAttachment } from "./attachment.ts";

const PART = 512 * 1024;

/** A server's attachments, as far as one client sees them. */
class FakeAttachments {
  readonly parts: Buffer[] = [];
  finished: { size: number; sha256: string } | undefined;
  /** Fails when so many more parts were taken. */
  failsAfter = Number.POSITIVE_INFINITY;

  readonly client = {
    attachments: {
      addAttachmentPart: async ({ part, dataB64 }: { part: number; dataB64: Uint8Array }) => {
        this.failsAfter -= 1;
        if (this.failsAfter < 0) {
          throw new Error("interrupted");
        }
        const there = this.parts[part];
        assert.ok(there === undefined || there.equals(dataB64));
        this.parts[part] = Buffer.from(dataB64);
      },
      finishAttachment: async (request: { name: string; size: number; sha256: string }) => {
        this.finished = request;
        return request;
      },
      getAttachmentPart: async ({ part }: { part: number }) => ({ dataB64: this.parts[part] }),
    },
  } as unknown as Pick<BunkmsClient, "attachments">;
}

async function* pieces(bytes: Buffer, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) {
    yield bytes.subarray(at, at + length);
  }
}

async function readAll(from: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const part of from) {
    all.push(part);
  }
  return Buffer.concat(all);
}

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

test("whatever pieces it comes in, an attachment is sent in parts of one length, and comes back the same", async () => {
  for (const size of [1, PART - 1, PART, PART + 1, 3 * PART]) {
    for (const length of [7919, PART, 2 * PART + 1]) {
      const bytes = randomBytes(size);
      const server = new FakeAttachments();
      await sendAttachment(server.client, "a", pieces(bytes, length));
      assert.deepEqual(server.finished, { name: "a", size, sha256: sha256(bytes) });
      assert.ok(server.parts.slice(0, -1).every((part) => part.length === PART));
      const back = readAttachment(server.client, { name: "a", size, sha256: sha256(bytes) });
      assert.ok((await readAll(back)).equals(bytes));
    }
  }
});

test("what was interrupted is sent again from the start, and is then whole", async () => {
  const bytes = randomBytes(3 * PART + 5);
  const server = new FakeAttachments();
  server.failsAfter = 2;
  await assert.rejects(sendAttachment(server.client, "a", pieces(bytes, 1000_000)), /interrupted/);
  assert.equal(server.finished, undefined);
  server.failsAfter = Number.POSITIVE_INFINITY;
  await sendAttachment(server.client, "a", pieces(bytes, 1000_000));
  assert.ok(Buffer.concat(server.parts).equals(bytes));
});

test("nothing, too much, and content that changed are not finished", async () => {
  const server = new FakeAttachments();
  const some = () => pieces(Buffer.of(1), 1);
  await assert.rejects(sendAttachment(server.client, "a", pieces(Buffer.alloc(0), 1)), RequestError);
  await assert.rejects(sendAttachment(server.client, "a", some(), sha256(Buffer.of(2))), /changed meanwhile/);
  const part = Buffer.alloc(PART);
  const many = (async function* () {
    for (let i = 0; i < 513; i++) {
      yield part;
    }
  })();
  await assert.rejects(sendAttachment(new FakeAttachments().client, "b", many), /at most 256 MiB/);
  assert.equal(server.finished, undefined);
});

test("a server that gives something else than was recorded is found out before the last part", async () => {
  const bytes = randomBytes(PART + 10);
  const server = new FakeAttachments();
  const { size } = await sendAttachment(server.client, "a", pieces(bytes, PART));
  const recorded = { name: "a", size, sha256: sha256(bytes) };
  const read = async () => {
    const got: number[] = [];
    await assert.rejects(async () => {
      for await (const part of readAttachment(server.client, recorded)) {
        got.push(part.length);
      }
    }, UnexpectedAnswerError);
    return got;
  };
  (server.parts[0] as Buffer)[5] = ((server.parts[0] as Buffer)[5] as number) ^ 1;
  assert.deepEqual(await read(), [PART]);
  (server.parts[0] as Buffer)[5] = ((server.parts[0] as Buffer)[5] as number) ^ 1;
  server.parts[1] = (server.parts[1] as Buffer).subarray(1);
  assert.deepEqual(await read(), [PART]);
});
