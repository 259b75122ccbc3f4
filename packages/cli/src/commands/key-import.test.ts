import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { makeAuthority } from "../../../../test/requirements/certificates.ts";
import { unwrapImported } from "../../../server/src/crypto/key-wrap.ts";
import { readMaterial } from "../key-material.ts";
import {
  errorAnswer,
  type FakeServer,
  fakeIo,
  fakeServer,
  runLine,
  temporaryFolder,
  testsInFolder,
} from "../test-bed.ts";

const wrapping = generateKeyPairSync("rsa", { modulusLength: 2048 });
const key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
const DER = key.export({ format: "der", type: "pkcs8" });
const PEM = key.export({ format: "pem", type: "pkcs8" }).toString();
const SECRET = Buffer.from("0123456789abcdef0123456789abcdef");

const ANSWERS = {
  "POST /v1/keys/k/import/prepare": [
    200,
    {
      wrapping_public_key_pem: wrapping.publicKey.export({ format: "pem", type: "spki" }),
      algorithms: ["rsa-aes-key-wrap-sha256", "rsa-oaep-sha256"],
      expires_at: "2026-02-04T04:05:06.7Z",
    },
  ],
  "POST /v1/keys/k/import": [200, { name: "k", latest_version: 1 }],
  "POST /v1/keys/k/import/plain": [200, { name: "k", latest_version: 1 }],
  "POST /v1/keys/own/import/prepare": errorAnswer(400, "invalid_request"),
} as const;

interface ImportBody {
  readonly wrapped_material_b64: string;
  readonly algorithm: "rsa-oaep-sha256" | "rsa-aes-key-wrap-sha256";
  readonly format: string;
}

const inFolder = testsInFolder(() => fakeServer(ANSWERS));

/** What the server would unwrap of the last request, with its format. */
async function imported(server: FakeServer): Promise<readonly [Buffer, string]> {
  const { wrapped_material_b64, algorithm, format } = JSON.parse(server.seen.at(-1)?.body ?? "") as ImportBody;
  const wrapped = Buffer.from(wrapped_material_b64, "base64");
  return [await unwrapImported(wrapping.privateKey, algorithm, wrapped), format];
}

describe("key prepare-import", () => {
  inFolder("writes the wrapping key, and says until when it is valid and how to go on", async ({ path, server }) => {
    const argv = ["key", "prepare-import", "k", "--type", "rsa-4096"];
    const outcome = await runLine([...argv, "-o", path("w.pem")], server.url);
    assert.deepEqual([outcome.code, outcome.stdout], [0, ""]);
    assert.match(outcome.stderr, /until 2026-02-04T04:05:06Z\..*\n {2}bunkms key import k --wrapped FILE/);
    assert.deepEqual(JSON.parse(server.seen[0]?.body ?? ""), { wrapping_key_type: "rsa-4096" });
    const pem = readFileSync(path("w.pem"), "utf8");
    assert.equal(pem, wrapping.publicKey.export({ format: "pem", type: "spki" }));
    assert.equal((await runLine(argv, server.url)).stdout, pem);
  });
});

describe("REQ-13 key import --material", () => {
  inFolder("wraps the material here, so that it is in no request as it is", async ({ path, server }) => {
    writeFileSync(path("key"), SECRET);
    const argv = ["key", "import", "k", "--material", path("key"), "--format", "raw"];
    for (const more of [[], ["--algorithm", "rsa-oaep-sha256"]]) {
      assert.equal((await runLine([...argv, ...more], server.url)).code, 0);
      assert.deepEqual(await imported(server), [SECRET, "raw"]);
    }
    assert.equal(server.seen.length, 4);
    for (const { body, url } of server.seen) {
      for (const form of ["latin1", "hex", "base64"] as const) {
        assert.ok(!(url + body).includes(SECRET.toString(form)));
      }
    }
  });

  inFolder(
    "takes PKCS #8 as PEM with text around it, and as DER, from standard input, too",
    async ({ path, server }) => {
      for (const text of [PEM, `Attributes\n${PEM.replaceAll("\n", "\r\n")}more\n`]) {
        writeFileSync(path("key"), text);
        assert.equal((await runLine(["key", "import", "k", "--material", path("key")], server.url)).code, 0);
        assert.deepEqual(await imported(server), [DER, "pkcs8"]);
      }
      const argv = ["key", "import", "k", "--material", "-", "--format", "pkcs8"];
      assert.equal((await runLine(argv, server.url, { stdin: DER })).code, 0);
      assert.deepEqual(await imported(server), [DER, "pkcs8"]);
    },
  );

  inFolder("sends nothing of what it cannot use, and says how to get what it can", async ({ path, server }) => {
    const traditional = key.export({ format: "pem", type: "sec1" }).toString();
    const encrypted = key.export({ format: "pem", type: "pkcs8", cipher: "aes-256-cbc", passphrase: "x" }).toString();
    for (const [content, text] of [
      [SECRET, /--format is needed/],
      [traditional, /another kind: EC PRIVATE KEY\n.*openssl pkcs8 -topk8 -nocrypt/],
      [encrypted, /another kind: ENCRYPTED PRIVATE KEY/],
      [PEM.slice(0, 60), /is not PEM, although it begins so/],
      [PEM.replace("M", "-"), /is not PEM, although it begins so/],
      [Buffer.alloc(40_000), /the key material is larger than 32 KiB/],
    ] as const) {
      writeFileSync(path("key"), content);
      const outcome = await runLine(["key", "import", "k", "--material", path("key")], server.url);
      assert.equal(outcome.code, 2);
      assert.match(outcome.stderr, text);
      assert.ok(!outcome.stderr.includes(String(content).slice(30, 60)));
    }
    assert.equal(server.seen.length, 0);
  });

  inFolder("stops when the server makes no wrapping key", async ({ path, server }) => {
    writeFileSync(path("key"), SECRET);
    const argv = ["key", "import", "own", "--material", path("key"), "--format", "raw"];
    assert.equal((await runLine(argv, server.url)).code, 2);
    assert.equal(server.seen.length, 1);
  });

  test("is refused where somebody on the way could give a wrapping key of his own, before the file is read", async () => {
    const argv = ["key", "import", "k", "--material", "/nonexistent", "--format", "raw"];
    const outcome = await runLine(argv, "http://kms.example.com:8080");
    assert.equal(outcome.code, 2);
    assert.match(outcome.stderr, /somebody could give a wrapping key of his own/);
  });

  test("leaves no copy of the material when it is done", async () => {
    for (const [content, format] of [
      [Buffer.from(SECRET), "raw"],
      [Buffer.from(PEM), undefined],
    ] as const) {
      const chunks = [content.subarray(0, 20), content.subarray(20)];
      const { io } = fakeIo();
      const stdin = (async function* () {
        yield* chunks;
      })();
      let bytes: Uint8Array;
      {
        using material = await readMaterial({ ...io, stdin }, "-", format);
        bytes = material.bytes;
        assert.ok(bytes.some((byte) => byte !== 0));
      }
      assert.ok([...chunks, bytes].every((part) => part.every((byte) => byte === 0)));
    }
  });
});

describe("key import --wrapped", () => {
  inFolder("sends the bytes as they are, with what they are", async ({ path, server }) => {
    writeFileSync(path("wrapped"), Buffer.of(1, 2, 3));
    const how = ["--wrapped", path("wrapped"), "--algorithm", "rsa-oaep-sha256", "--format", "raw"];
    assert.equal((await runLine(["key", "import", "k", ...how], server.url)).code, 0);
    assert.deepEqual(
      server.seen.map(({ body }) => JSON.parse(body)),
      [{ wrapped_material_b64: "AQID", algorithm: "rsa-oaep-sha256", format: "raw" }],
    );
  });

  inFolder("is refused without what it is, and neither is a guess", async ({ path, server }) => {
    writeFileSync(path("wrapped"), Buffer.of(1, 2, 3));
    const wrapped = ["--wrapped", path("wrapped")];
    for (const how of [
      [],
      wrapped,
      [...wrapped, "--format", "raw"],
      [...wrapped, "--algorithm", "rsa-oaep-sha256"],
      [...wrapped, "--algorithm", "rsa-pkcs1", "--format", "raw"],
      [...wrapped, "--material", path("wrapped")],
      [...wrapped, "--plain"],
    ]) {
      assert.equal((await runLine(["key", "import", "k", ...how], server.url)).code, 2);
    }
    assert.equal(server.seen.length, 0);
  });
});

describe("key import --plain", () => {
  inFolder("is refused without TLS, and nothing is sent", async ({ path, server }) => {
    writeFileSync(path("key"), SECRET);
    const argv = ["key", "import", "k", "--material", path("key"), "--format", "raw", "--plain"];
    const outcome = await runLine(argv, server.url);
    assert.equal(outcome.code, 2);
    assert.match(outcome.stderr, /--plain goes over TLS only/);
    assert.equal(server.seen.length, 0);
  });

  test("sends the material as it is over TLS", async () => {
    using folder = temporaryFolder();
    const authority = await makeAuthority(folder.path);
    const { cert, key: privateKey } = await authority.issue("server");
    await using server = await fakeServer(ANSWERS, { cert: readFileSync(cert), key: readFileSync(privateKey) });
    const argv = ["key", "import", "k", "--material", "-", "--plain", "--ca", authority.path];
    assert.equal((await runLine(argv, server.url, { stdin: PEM })).code, 0);
    const bodies = server.seen.map(({ url, body }) => [url, JSON.parse(body)]);
    assert.deepEqual(bodies, [["/v1/keys/k/import/plain", { material_b64: DER.toString("base64"), format: "pkcs8" }]]);
  });
});
