import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type LaunchOptions, launchServer } from "./launched-server.ts";

const MASTER_KEY = { BUNKMS_MASTER_KEY: "5a".repeat(32) };

let root: string;
let folders = 0;

before(async () => {
  root = await mkdtemp(join(tmpdir(), "bunkms-settings-"));
});

after(() => rm(root, { recursive: true }));

/** Launches a server that must refuse to start with exit code 2, and make nothing. @returns Its output. */
async function refuses(options: Omit<LaunchOptions, "folder">, reason: RegExp): Promise<string> {
  folders += 1;
  const folder = join(root, String(folders));
  await mkdir(folder);
  const server = launchServer({ ...options, folder });
  assert.equal(await server.end(), 2, server.output());
  assert.match(server.output(), reason);
  assert.deepEqual(await readdir(folder), [], "something was made before the refusal");
  return server.output();
}

const ELSEWHERE = ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"];

test("SETTINGS development mode refuses every address but loopback, with the reason", async () => {
  for (const [flag, other] of [
    ["--addr", "--grpc-addr"],
    ["--grpc-addr", "--addr"],
  ] as const) {
    for (const address of flag === "--addr" ? ELSEWHERE : ELSEWHERE.slice(0, 1)) {
      const args = ["--dev", flag, address, other, "127.0.0.1:0"];
      const output = await refuses({ args }, /development mode listens on loopback only/);
      assert.ok(output.includes(flag));
    }
  }
  const sneaky = ["--dev", "--allow-plaintext", "--addr", "0.0.0.0:0", "--grpc-addr", "127.0.0.1:0"];
  await refuses({ args: sneaky }, /development mode listens on loopback only/);
});

test("SETTINGS production refuses an address that is not loopback without TLS, with the reason", async () => {
  for (const address of ELSEWHERE) {
    const args = ["--addr", address, "--grpc-addr", "127.0.0.1:0"];
    await refuses({ args, env: MASTER_KEY }, /--addr .*not loopback and there is no TLS.*--tls-cert/);
  }
});

const WRONG = [
  { what: "an unknown flag", args: ["--adress", "127.0.0.1:0"], reason: /--adress: unknown flag/ },
  { what: "an unknown variable", env: { BUNKMS_ADRESS: "127.0.0.1:0" }, reason: /BUNKMS_ADRESS: unknown environment/ },
  { what: "a word that is no flag", args: ["start"], reason: /argument 2: is neither/ },
  { what: "an address that is none", args: ["--addr", "localhost"], reason: /--addr .*must be IP:PORT/ },
  { what: "a host name", args: ["--addr", "kms.example:80"], reason: /--addr .*must be IP:PORT/ },
  { what: "a port that is none", args: ["--addr", "127.0.0.1:65536"], reason: /--addr .*must be IP:PORT/ },
  { what: "an empty value", env: { BUNKMS_GRPC_ADDR: "" }, reason: /BUNKMS_GRPC_ADDR: is empty/ },
  { what: "a log level that is none", args: ["--log-level", "loud"], reason: /--log-level .*must be one of debug/ },
  { what: "a store that is none", env: { BUNKMS_STORE: "etcd" }, reason: /BUNKMS_STORE.*must be one of sqlite/ },
  { what: "a flag given twice", args: ["--addr", "127.0.0.1:0", "--addr", "127.0.0.1:0"], reason: /given twice/ },
  { what: "a flag without its value", args: ["--data-path"], reason: /--data-path: needs a value/ },
  { what: "a number that is none", args: ["--max-in-flight", "0"], reason: /--max-in-flight .*whole number/ },
  {
    what: "a certificate without its key",
    args: ["--tls-cert", "x.pem"],
    reason: /--tls-cert and --tls-key go together/,
  },
  {
    what: "certificates that are not there",
    args: ["--tls-cert", "x", "--tls-key", "y"],
    reason: /cannot be read \(ENOENT\)/,
  },
  { what: "a settings file that is not there", args: ["--config", "nowhere"], reason: /settings file: .*ENOENT/ },
];

for (const { what, args = [], env = {}, reason } of WRONG) {
  test(`SETTINGS what is wrong with the settings stops the start with exit code 2 and the reason: ${what}`, async () => {
    await refuses({ args: ["--dev", ...args], env }, reason);
  });
}

test("SETTINGS a settings file is read strictly: an unknown name or a malformed line stops the start with its number", async () => {
  const path = join(root, "settings");
  await writeFile(path, "# Comment\nBUNKMS_ADDR=127.0.0.1:0\nBUNKMS_COLOUR=red\nnonsense\n", { mode: 0o600 });
  const output = await refuses({ args: ["--dev", "--config", path] }, /line 3: BUNKMS_COLOUR: no such setting/);
  assert.match(output, /line 4: is not NAME=value/);
});

test("CVE-2025-4166 a value in the wrong place is not repeated in the reason", async () => {
  const secret = "n0t-t0-be-sh0wn";
  for (const options of [
    { args: [secret] },
    { args: [`--${secret}`] },
    { args: ["--master-key", secret] },
    { args: [`--addr=${secret}`] },
    { env: { [`BUNKMS_${secret}`]: "x" } },
    { env: { BUNKMS_ADDR: secret } },
    { env: { BUNKMS_MASTER_KEY: secret } },
  ]) {
    const output = await refuses({ ...options, args: ["--dev", ...(options.args ?? [])] }, /./);
    assert.ok(!output.includes(secret), output);
  }
});

test("SETTINGS port 0 is replaced by a free port, which is printed", async () => {
  folders += 1;
  const folder = join(root, String(folders));
  await mkdir(folder);
  const server = launchServer({ folder, args: ["--dev", "--addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0"] });
  try {
    const [, url = "", restPort = "", grpcPort = ""] = await server.until(
      /^REST {2}(http:\/\/127\.0\.0\.1:(\d+))\ngRPC {2}127\.0\.0\.1:(\d+)$/m,
    );
    assert.ok(Number(restPort) > 0 && Number(grpcPort) > 0 && restPort !== grpcPort);
    assert.equal((await fetch(`${url}/ready`)).status, 200);
  } finally {
    server.signal("SIGKILL");
    await server.end();
  }
});

test("SETTINGS who cannot listen is told why: another program, or an address that is not this machine's", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  try {
    for (const [address, reason] of [
      [`127.0.0.1:${port}`, "another program is there already"],
      ["192.0.2.1:0", "this machine does not have that address"],
    ] as const) {
      for (const [flag, ...others] of [
        ["--addr", "--grpc-addr", "127.0.0.1:0"],
        ["--grpc-addr", "--addr", "127.0.0.1:0"],
        ["--rpc-addr", "--addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0"],
      ] as const) {
        const rpc = flag === "--rpc-addr" ? ["--rpc-secrets", "a.*", "--rpc-clients", "192.0.2.0/24"] : [];
        const args = [...others, ...rpc, flag, address, "--allow-plaintext", "--store", "memory"];
        const server = launchServer({ folder: root, args, env: MASTER_KEY });
        assert.equal(await server.end(), 1, server.output());
        assert.ok(server.output().includes(`${flag}: cannot listen on ${address}: ${reason}\n`), server.output());
        // Nor does any part of the server say something in its own way: each line is the log's, or one of the program's own.
        assert.doesNotMatch(server.output(), /^(?!\{|BunKMS |Root token {2}|It is shown |bunkms: )./m);
      }
    }
  } finally {
    taken.close();
  }
});
