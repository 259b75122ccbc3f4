import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { CreateAliasCommand, CreateKeyCommand, KMSClient, UpdateAliasCommand } from "@aws-sdk/client-kms";
import { type CannedAnswer, findClosedPort, startCannedServer } from "../../../../test/harness/canned-server.ts";
import { MOTO_CREDENTIALS, startMoto } from "../../../../test/harness/moto.ts";
import { awskmsSeal } from "./awskms.ts";
import { assertOpens, assertRejects, assertUnavailable, noAbort, sealConformance } from "./conformance.ts";
import { type Seal, SealFailure, SealUnavailable } from "./seal.ts";

const SECRET = MOTO_CREDENTIALS.AWS_SECRET_ACCESS_KEY;
Object.assign(process.env, MOTO_CREDENTIALS);
delete process.env["AWS_REGION"];

const REGION = "eu-central-1";
const CONTEXT = Buffer.from("a slot");
const ARN = `arn:aws:kms:${REGION}:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab`;

const moto = await startMoto();
const admin = new KMSClient({ region: REGION, endpoint: moto.url });
const keys: string[] = [];
before(async () => {
  for (let i = 0; i < 2; i += 1) {
    const { KeyMetadata: key } = await admin.send(new CreateKeyCommand({}));
    keys.push(key?.Arn as string);
  }
  await admin.send(new CreateAliasCommand({ AliasName: "alias/bunkms", TargetKeyId: keys[0] as string }));
});
after(async () => {
  admin.destroy();
  await moto.remove();
});

const open = (keyId: string): Promise<Seal> => awskmsSeal({ keyId, region: REGION, endpoint: moto.url });

sealConformance("awskms", { open: () => open(keys[0] as string), openOther: () => open(keys[1] as string) });

/** A seal whose service answers as told, in turn; the last answer again and again. */
async function withAnswers(
  answers: readonly CannedAnswer[],
  body: (seal: Seal, count: () => number) => Promise<void>,
  timeoutMs = 5_000,
): Promise<void> {
  let count = 0;
  const server = await startCannedServer(() => answers[Math.min(count++, answers.length - 1)] as CannedAnswer);
  const seal = await awskmsSeal({ keyId: ARN, endpoint: server.url }, { timeoutMs });
  try {
    await body(seal, () => count);
  } finally {
    await seal.close();
    await server.close();
  }
}

const refusal = (type: string, status = 400): CannedAnswer => ({
  status,
  headers: { "content-type": "application/x-amz-json-1.1", "x-amzn-errortype": type },
  body: { __type: type, message: `no, and your secret is ${SECRET}` },
});
const encrypted = {
  status: 200,
  headers: { "content-type": "application/x-amz-json-1.1" },
  body: {
    KeyId: ARN,
    CiphertextBlob: Buffer.from("wrapped").toString("base64"),
    EncryptionAlgorithm: "SYMMETRIC_DEFAULT",
  },
};

test("the region comes from the key's ARN, and without any it is asked for", async () => {
  const seal = await awskmsSeal({ keyId: keys[0] as string, endpoint: moto.url });
  await assertOpens(seal);
  await seal.close();
  await assertRejects(awskmsSeal({ keyId: "alias/bunkms", endpoint: moto.url }), SealFailure, /needs a region/);
});

test("a slot that an alias's key wrapped opens after the alias moved", async () => {
  const seal = await open("alias/bunkms");
  const rootKey = randomBytes(32);
  const wrapped = await seal.wrap(rootKey, CONTEXT, noAbort());
  await admin.send(new UpdateAliasCommand({ AliasName: "alias/bunkms", TargetKeyId: keys[1] as string }));
  assert.deepEqual(await seal.unwrap(wrapped, CONTEXT, noAbort()), rootKey);
  await seal.close();
});

test("KMS is told the context's digest, and for decrypting always the key", async () => {
  const requests: Record<string, unknown>[] = [];
  const server = await startCannedServer(({ body, headers }) => {
    const request = JSON.parse(body.toString("utf8")) as Record<string, unknown>;
    requests.push({ ...request, target: headers["x-amz-target"] });
    return "Plaintext" in request ? encrypted : refusal("InvalidCiphertextException");
  });
  const seal = await awskmsSeal({ keyId: "alias/moving", region: REGION, endpoint: server.url });
  const wrapped = await seal.wrap(randomBytes(32), Buffer.from("abc"), noAbort());
  await assertRejects(seal.unwrap(wrapped, Buffer.from("abc"), noAbort()), SealFailure, /cannot open the slot/, [
    SECRET,
  ]);
  const context = { "bunkms-context": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" };
  assert.deepEqual(
    requests.map(({ target, KeyId, EncryptionContext }) => ({ target, KeyId, EncryptionContext })),
    [
      { target: "TrentService.Encrypt", KeyId: "alias/moving", EncryptionContext: context },
      { target: "TrentService.Decrypt", KeyId: ARN, EncryptionContext: context },
    ],
  );
  await seal.close();
  await server.close();
});

test("a recorded key of another account or region is not asked, and a multi-Region key is asked in this one", async () => {
  const asked: unknown[] = [];
  let recorded = ARN;
  const server = await startCannedServer(({ body }) => {
    const request = JSON.parse(body.toString("utf8")) as Record<string, unknown>;
    if ("Plaintext" in request) return { ...encrypted, body: { ...encrypted.body, KeyId: recorded } };
    asked.push(request["KeyId"]);
    return refusal("InvalidCiphertextException");
  });
  const seal = await awskmsSeal({ keyId: ARN, endpoint: server.url });
  for (const other of [
    ARN.replace("111122223333", "444455556666"),
    ARN.replace(REGION, "us-east-1"),
    ARN.replace("arn:aws:", "arn:aws-cn:"),
    ARN.replace(":key/", ":alias/"),
  ]) {
    recorded = other;
    const wrapped = await seal.wrap(randomBytes(32), CONTEXT, noAbort());
    await assertRejects(seal.unwrap(wrapped, CONTEXT, noAbort()), SealFailure, /another account or region/);
  }
  assert.deepEqual(asked, []);
  const here = `arn:aws:kms:${REGION}:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab`;
  recorded = here.replace(REGION, "us-east-1");
  const multi = await awskmsSeal({ keyId: here, endpoint: server.url });
  const wrapped = await multi.wrap(randomBytes(32), CONTEXT, noAbort());
  await assertRejects(multi.unwrap(wrapped, CONTEXT, noAbort()), SealFailure, /cannot open/);
  assert.deepEqual(asked, [here]);
  await Promise.all([seal.close(), multi.close(), server.close()]);
});

for (const [answer, text] of [
  [refusal("DisabledException"), /is disabled/],
  [refusal("KMSInvalidStateException"), /pending deletion/],
  [refusal("NotFoundException"), /does not exist/],
  [refusal("AccessDeniedException"), /refuses the credentials/],
  [refusal("UnrecognizedClientException"), /refuses the credentials/],
  [refusal("ExpiredTokenException"), /refuses the credentials/],
  [{ status: 403, body: "forbidden" }, /refuses the credentials/],
  [{ status: 302, headers: { location: "https://elsewhere.invalid/" } }, /redirect/],
  [{ status: 200, body: "{not json" }, /none of its own/],
  [{ status: 200, body: "<html>" }, /none of its own/],
  [{ status: 200, body: {} }, /none of its own/],
  [{ ...encrypted, body: { ...encrypted.body, KeyId: "x".repeat(100_000) } }, /too large/],
  [refusal("SomethingNewException"), /none of its own \(400\)/],
] satisfies [CannedAnswer, RegExp][]) {
  test(`the answer ${JSON.stringify(answer).slice(0, 60)} is ${text}`, () =>
    withAnswers([answer], async (seal) => {
      const error = await assertUnavailable(seal, text);
      assert.equal(`${error.message}${error.stack}`.includes(SECRET), false);
    }));
}

test("what another key wrapped is refused for good", () =>
  withAnswers([encrypted, refusal("IncorrectKeyException")], async (seal) => {
    const wrapped = await seal.wrap(randomBytes(32), CONTEXT, noAbort());
    await assertRejects(seal.unwrap(wrapped, CONTEXT, noAbort()), SealFailure, /cannot open the slot/, [SECRET]);
  }));

test("a first failure that may pass is tried once more, not oftener", async () => {
  const passing = [refusal("ThrottlingException"), { status: 500, body: "" }, { status: 503, body: "" }] as const;
  for (const answer of passing) {
    await withAnswers([answer, encrypted], async (seal, count) => {
      await seal.wrap(randomBytes(32), CONTEXT, noAbort());
      assert.equal(count(), 2);
    });
    await withAnswers([answer], async (seal, count) => {
      await assertUnavailable(seal, /takes no more calls|fails \(50/);
      assert.equal(count(), 2);
    });
  }
});

test("a service that hangs, and one that is down", async () => {
  await withAnswers(
    ["hang"],
    (seal) => assertUnavailable(seal, /did not answer within 0.2 seconds/).then(() => {}),
    200,
  );
  const seal = await awskmsSeal({ keyId: ARN, endpoint: `http://127.0.0.1:${await findClosedPort()}` });
  await assertUnavailable(seal, /cannot be reached \(ECONNREFUSED\)/);
  await seal.close();
});

test("without credentials it says where to look", async () => {
  const { AWS_ACCESS_KEY_ID: id } = process.env;
  delete process.env["AWS_ACCESS_KEY_ID"];
  try {
    await withAnswers([encrypted], (seal) => assertUnavailable(seal, /refuses the credentials/).then(() => {}));
  } finally {
    process.env["AWS_ACCESS_KEY_ID"] = id;
  }
});

test("wrong options are refused before anything is loaded", async () => {
  const load = () => assert.fail("loaded");
  for (const [options, text] of [
    [{ keyId: "" }, /must be a key's ARN/],
    [{ keyId: "arn:aws:s3:::bucket" }, /must be a key's ARN/],
    [{ keyId: "key\nid" }, /must be a key's ARN/],
    [{ keyId: `${ARN}${"a".repeat(200)}` }, /too long/],
    [{ keyId: ARN, endpoint: "http://kms.example.com" }, /https/],
    [{ keyId: ARN, endpoint: "https://user:secret@kms.example.com" }, /an address alone/],
    [{ keyId: ARN, endpoint: "kms" }, /is not an address/],
  ] as const) {
    await assertRejects(awskmsSeal(options, { load }), SealFailure, text, ["secret"]);
  }
});

test("without the SDK it says what to install", async () => {
  const load = () => import("@bunkms/none" as string);
  await assertRejects(
    awskmsSeal({ keyId: ARN }, { load }),
    SealUnavailable,
    /not installed: npm install @aws-sdk\/client-kms/,
  );
});
