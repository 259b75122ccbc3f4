import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fakeServer, runLine, temporaryFolder } from "../test-bed.ts";

const SECRET = Buffer.alloc(32, 7);
const ANSWERS = {
  "POST /v1/keys/k/encapsulate": [
    200,
    { shared_secret_b64: SECRET.toString("base64"), encapsulation_b64: "AQID", version: 1 },
  ],
  "POST /v1/keys/k/decapsulate": [200, { shared_secret_b64: SECRET.toString("base64"), version: 1 }],
  "POST /v1/keys/k/derive": [200, { shared_secret_b64: SECRET.toString("base64"), version: 1 }],
  "POST /v1/keys/k/datakey": [200, { plaintext_b64: SECRET.toString("base64"), ciphertext: "w", version: 1 }],
  "POST /v1/keys/k/datakey/wrapped": [200, { ciphertext: "w", version: 1 }],
} as const;
const PEER = Buffer.from("MCowBQYDK2VuAyEAhSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=", "base64");
const PEM = `-----BEGIN PUBLIC KEY-----\n${PEER.toString("base64")}\n-----END PUBLIC KEY-----\n`;

/** A test with a server and a folder with a peer's key and an encapsulation. */
function inFolder(
  name: string,
  body: (path: (file: string) => string, server: Awaited<ReturnType<typeof fakeServer>>) => Promise<void>,
): void {
  test(name, async () => {
    using folder = temporaryFolder();
    await using server = await fakeServer(ANSWERS);
    const path = (file: string) => join(folder.path, file);
    writeFileSync(path("peer.pem"), PEM);
    writeFileSync(path("peer.der"), PEER);
    writeFileSync(path("kem"), "AQID\n");
    await body(path, server);
  });
}

const makers = (path: (file: string) => string): readonly (readonly string[])[] => [
  ["encapsulate", "k"],
  ["decapsulate", "k", "--in", path("kem")],
  ["derive", "k", "--peer", path("peer.pem")],
  ["datakey", "k"],
];

describe("a secret that a command makes", () => {
  inFolder("is kept from a terminal, before it is made, unless --show insists", async (path, server) => {
    for (const argv of makers(path)) {
      for (const more of [[], ["--json"]]) {
        const refused = await runLine([...argv, ...more], server.url, { terminal: true });
        assert.deepEqual([refused.code, refused.stdout], [2, ""]);
        assert.match(refused.stderr, /--out FILE, or insist: --show/);
      }
    }
    assert.equal(server.seen.length, 0);
    for (const argv of makers(path)) {
      const shown = await runLine([...argv, "--show"], server.url, { terminal: true });
      assert.ok(shown.stdout.includes(SECRET.toString("base64")), String(argv));
    }
  });

  inFolder("is printed as base64 where there is no terminal", async (path, server) => {
    for (const argv of makers(path)) {
      assert.ok((await runLine(argv, server.url)).stdout.includes(SECRET.toString("base64")), String(argv));
    }
  });

  inFolder("goes with --out to a file that its owner alone reads, on a terminal, too", async (path, server) => {
    for (const argv of makers(path)) {
      const { stdout } = await runLine([...argv, "--out", path("out")], server.url, { terminal: true });
      assert.equal(stdout, { encapsulate: "AQID\n", datakey: "w\n" }[argv[0] ?? ""] ?? "");
      assert.deepEqual(readFileSync(path("out")), SECRET);
      assert.equal(statSync(path("out")).mode & 0o777, 0o600);
      writeFileSync(path("out"), "");
    }
  });

  inFolder("is no question of a data key that comes wrapped only", async (_, server) => {
    const { stdout } = await runLine(["datakey", "k", "--wrapped-only"], server.url, { terminal: true });
    assert.equal(stdout, "w\n");
  });
});

describe("a public key file", () => {
  for (const file of ["peer.pem", "peer.der"]) {
    inFolder(`is sent as DER from ${file}`, async (path, server) => {
      await runLine(["derive", "k", "--peer", path(file), "--version", "3"], server.url);
      assert.deepEqual(JSON.parse(server.seen[0]?.body ?? ""), { public_key_b64: PEER.toString("base64"), version: 3 });
    });
  }

  inFolder("that is none is refused", async (path, server) => {
    const outcome = await runLine(["derive", "k", "--peer", path("kem")], server.url);
    assert.equal(outcome.code, 2);
    assert.match(outcome.stderr, /does not hold a public key\n {2}PEM begins with/);
    assert.equal(server.seen.length, 0);
  });
});

describe("an encapsulation", () => {
  inFolder("comes in base64, or as bytes with --raw-in", async (path, server) => {
    writeFileSync(path("bytes"), Buffer.from([1, 2, 3]));
    await runLine(["decapsulate", "k", "--in", path("kem")], server.url);
    await runLine(["decapsulate", "k", "--in", path("bytes"), "--raw-in"], server.url);
    assert.deepEqual(
      server.seen.map(({ body }) => JSON.parse(body)),
      [{ encapsulation_b64: "AQID" }, { encapsulation_b64: "AQID" }],
    );
    const refused = await runLine(["decapsulate", "k", "--in", path("bytes")], server.url);
    assert.match(refused.stderr, /the encapsulation does not hold base64\n.*--raw-in/);
  });
});

describe("message authentication codes", () => {
  test("are made of every byte, for a version and a context", async () => {
    await using server = await fakeServer({ "POST /v1/keys/k/mac": [200, { mac_b64: "AQI=", version: 2 }] });
    const argv = ["mac", "k", "--version", "2", "--context", "tenant=acme"];
    assert.equal((await runLine(argv, server.url, { stdin: "m\n" })).stdout, "AQI=\n");
    assert.deepEqual(JSON.parse(server.seen[0]?.body ?? ""), {
      message_b64: "bQo=",
      version: 2,
      context: { tenant: "acme" },
    });
    assert.deepEqual((await runLine(["mac", "k", "--raw"], server.url)).bytes, Buffer.from([1, 2]));
  });

  for (const [valid, code, text] of [
    [true, 0, "valid (key version 1)\n"],
    [false, 1, "not valid\n"],
  ] as const) {
    test(`that are ${text.trim()} give exit code ${code}`, async () => {
      using folder = temporaryFolder();
      await using server = await fakeServer({ "POST /v1/keys/k/mac/verify": [200, { valid, version: valid ? 1 : 0 }] });
      const file = join(folder.path, "mac");
      writeFileSync(file, "AQI=\n");
      const outcome = await runLine(["verify-mac", "k", "--mac-file", file], server.url, { stdin: "m" });
      assert.deepEqual([outcome.code, outcome.stdout], [code, text]);
      assert.deepEqual(JSON.parse(server.seen[0]?.body ?? ""), { message_b64: "bQ==", mac_b64: "AQI=" });
    });
  }
});

describe("signatures", () => {
  const answers = {
    "POST /v1/keys/k/sign": [200, { signature_b64: "-_8", signature_jose: "-_8", version: 2 }] as const,
    "POST /v1/keys/k/verify": [200, { valid: true, version: 2 }] as const,
  };

  test("have a version, an encoding and a context", async () => {
    using folder = temporaryFolder();
    await using server = await fakeServer(answers);
    const file = join(folder.path, "sig");
    writeFileSync(file, "-_8\n");
    const how = ["--version", "2", "--encoding", "jose", "--context", "ü"];
    const common = { message_b64: "bQ==", version: 2, encoding: "jose", context_b64: "w7w=" };
    assert.equal((await runLine(["sign", "k", ...how], server.url, { stdin: "m" })).stdout, "-_8\n");
    await runLine(["verify", "k", "--signature-file", file, ...how], server.url, { stdin: "m" });
    assert.deepEqual(
      server.seen.map(({ body }) => JSON.parse(body)),
      [common, { ...common, signature_jose: "-_8" }],
    );
  });
});

describe("what RSA encrypted elsewhere", () => {
  test("is decrypted from a file's bytes, with algorithm and version", async () => {
    using folder = temporaryFolder();
    await using server = await fakeServer({ "POST /v1/decrypt/k": [200, { plaintext_b64: "bQ==" }] });
    const file = join(folder.path, "data");
    writeFileSync(file, Buffer.from([1, 2, 3]));
    const how = ["--data-file", file, "--algorithm", "rsa-oaep-sha1", "--version", "2"];
    assert.equal((await runLine(["decrypt", "k", ...how], server.url)).stdout, "m");
    assert.deepEqual(JSON.parse(server.seen[0]?.body ?? ""), {
      data_b64: "AQID",
      algorithm: "rsa-oaep-sha1",
      version: 2,
    });
  });
});
