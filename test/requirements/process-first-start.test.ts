import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readTrail } from "./audit-trail.ts";
import { type LaunchedServer, type LaunchOptions, launchServer } from "./launched-server.ts";
import { operationOf, restTransport } from "./operation-call.ts";
import { SERVER_PROGRAM } from "./server-run.ts";

const LOOPBACK = ["--addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0"];
const ROOT_TOKEN = /bkms_r_[0-9A-Za-z]{36}/;
const SERVING = /^REST {2}(\S+)$[\s\S]*^gRPC {2}/m;

let root: string;
let folders = 0;

before(async () => {
  root = await mkdtemp(join(tmpdir(), "bunkms-first-start-"));
});

after(() => rm(root, { recursive: true }));

interface Mode {
  readonly mode: "development" | "production";
  readonly folder: string;
  readonly options: LaunchOptions;
}

/** Both modes, each with a folder of its own; production with its master key in a file. */
async function modes(): Promise<readonly Mode[]> {
  return Promise.all(
    (["development", "production"] as const).map(async (mode) => {
      folders += 1;
      const folder = join(root, String(folders));
      await mkdir(folder);
      const keyFile = join(folder, "master.key");
      await writeFile(keyFile, `${"c3".repeat(32)}\n`, { mode: 0o600 });
      const args = mode === "development" ? ["--dev"] : ["--master-key-file", keyFile];
      return { mode, folder, options: { folder, args } };
    }),
  );
}

/** Starts a server, waits until it serves, stops it. @returns What `act` returns and all that was printed. */
async function serveOnce<T>(
  options: LaunchOptions,
  act: (url: string, server: LaunchedServer) => Promise<T>,
): Promise<{ readonly result: T; readonly output: string }> {
  const server = launchServer({ ...options, args: [...(options.args ?? []), ...LOOPBACK] });
  try {
    const [, url = ""] = await server.until(SERVING);
    const result = await act(url, server);
    server.signal("SIGTERM");
    assert.equal(await server.end(), 0, server.output());
    return { result, output: server.output() };
  } finally {
    server.signal("SIGKILL");
    await server.end();
  }
}

async function roleOf(url: string, token: string): Promise<string> {
  const response = await fetch(`${url}/v1/tokens/self`, { headers: { authorization: `Bearer ${token}` } });
  const { role, code } = (await response.json()) as { role?: string; code?: string };
  return role ?? String(code);
}

test("REQ-33 the first start prints the root token, each later one nothing of it", async () => {
  for (const { mode, folder, options } of await modes()) {
    const first = await serveOnce(options, async (url, server) => {
      const [token] = await server.until(ROOT_TOKEN);
      assert.equal(await roleOf(url, token), "root");
      return token;
    });
    const token = first.result;
    assert.equal(first.output.match(new RegExp(`^Root token {2}${token}$`, "gm"))?.length, 1);
    if (mode === "production") {
      // In no command line that it proposes, which every user of the machine would see.
      assert.equal(first.output.split(token).length, 2);
      assert.match(first.output, /^CLI {3}npx bunkms login --url http:\S+ {3}\(it asks for the token\)$/m);
    }
    for (let i = 0; i < 2; i++) {
      const later = await serveOnce(options, (url) => roleOf(url, token));
      assert.equal(later.result, "root");
      assert.doesNotMatch(later.output, /bkms_|Root token/);
    }
    // Development leaves the token for the CLI, in the one file that is for it; production nowhere.
    const holders = filesBelow(folder).filter((file) => readFileSync(file).includes(token));
    assert.deepEqual(holders, mode === "development" ? [join(folder, "data", "root-token")] : []);
  }
});

test("REQ-33 a first start that cannot listen does not make the root token disappear", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  try {
    for (const { mode, options } of await modes()) {
      const shown: string[] = [];
      for (const [flag, other] of [
        ["--addr", "--grpc-addr"],
        ["--grpc-addr", "--addr"],
      ] as const) {
        const addresses = [flag, `127.0.0.1:${port}`, other, "127.0.0.1:0"];
        const failed = launchServer({ ...options, args: [...(options.args ?? []), ...addresses] });
        assert.equal(await failed.end(), 1, failed.output());
        assert.match(failed.output(), new RegExp(`${flag}: cannot listen on 127\\.0\\.0\\.1:${port}`));
        shown.push(...(ROOT_TOKEN.exec(failed.output()) ?? []));
      }
      const { output } = await serveOnce(options, async (url, server) => {
        await server.until(mode === "development" ? /^CLI {3}/m : SERVING);
        shown.push(...(ROOT_TOKEN.exec(server.output()) ?? []));
        assert.equal(await roleOf(url, shown[0] ?? ""), "root");
      });
      assert.equal(shown.length, 1, `${mode}: the root token was shown ${shown.length} times\n${output}`);
    }
  } finally {
    taken.close();
  }
});

test("REQ-33 where nothing can be printed the program ends and says so, and how to get a root token that was not shown", async () => {
  const unwritable = "standard output cannot be written (ENOSPC)";
  const lost = `${unwritable}; for a root token that was not shown, new-root-token makes another`;
  for (const { options } of await modes()) {
    for (const [reason, args] of [
      [unwritable, ["--version"]],
      [lost, [...(options.args ?? []), ...LOOPBACK]],
    ] as const) {
      const full = launchServer({ ...options, args, full: 1 });
      assert.equal(await full.end(), 1, full.output());
      assert.deepEqual(
        full
          .output()
          .split("\n")
          .filter((line) => !line.startsWith("{")),
        [`bunkms: ${reason}`, ""],
      );
    }
  }
});

test("who stops reading the help, as `head` does, is told nothing: neither of a failure, nor of a root token", () => {
  const node = [process.execPath, "--disable-warning=ExperimentalWarning", SERVER_PROGRAM];
  for (const flag of ["--help", "--version"]) {
    const pipe = join(root, `pipe${flag}`);
    // A pipe without a reader.
    const script = `mkfifo "${pipe}" && exec 3<>"${pipe}" 4>"${pipe}" 3<&- && exec "$@" >&4`;
    const { status, stderr } = spawnSync("sh", ["-c", script, "sh", ...node, flag], { encoding: "utf8" });
    assert.deepEqual([status, stderr], [0, ""]);
  }
});

test("REQ-33 a lost root token is replaced with the master key at hand, and that is recorded", async () => {
  for (const { options } of await modes()) {
    const { result: old } = await serveOnce(options, async (_url, server) => (await server.until(ROOT_TOKEN))[0]);
    const made = launchServer({ ...options, args: ["new-root-token", ...(options.args ?? [])] });
    assert.equal(await made.end(), 0, made.output());
    const [token = ""] = ROOT_TOKEN.exec(made.output()) ?? [];
    assert.equal(made.output().match(/bkms_/g)?.length, 1);
    assert.notEqual(token, old);

    const later = await serveOnce(options, async (url) => {
      assert.equal(await roleOf(url, token), "root");
      assert.equal(await roleOf(url, old), "root");
      const rest = restTransport(url);
      const self = await rest.call(operationOf("tokens.get_self"), {}, { token });
      const { entries } = await readTrail(rest, token);
      const [entry, ...more] = entries.filter(({ operation }) => operation === "system.new_root_token");
      assert.deepEqual(more, []);
      assert.deepEqual(
        [entry?.outcome, entry?.transport, entry?.resource, entry?.identity],
        ["ok", "local", `token/${self.value["id"]}`, ""],
      );
      // The old one can now be revoked with the new one, and is refused at once.
      const { value } = await rest.call(operationOf("tokens.get_self"), {}, { token: old });
      const revoked = await rest.call(operationOf("tokens.revoke"), { id: value["id"] as string }, { token });
      assert.equal(revoked.code, "ok");
      assert.equal(await roleOf(url, old), "unauthenticated");
      rest.close();
    });
    assert.doesNotMatch(later.output, ROOT_TOKEN);
  }
});

test("development mode serves where there is no home to leave its address in, and says what the command line needs then", async () => {
  for (const envIn of [
    (folder: string) => ({ XDG_CONFIG_HOME: join(folder, "master.key", "config") }),
    () => ({ XDG_CONFIG_HOME: "", HOME: "" }),
    () => ({ XDG_CONFIG_HOME: "config" }),
  ]) {
    const [development] = await modes();
    const { folder, options } = development as Mode;
    const { output } = await serveOnce({ ...options, env: envIn(folder) }, async (url, server) => {
      const [, given, tokenFile = ""] = await server.until(
        /^CLI {3}npx bunkms key list --url (\S+) --token-file (\S+)$/m,
      );
      assert.equal(given, url);
      assert.equal(await roleOf(url, readFileSync(tokenFile, "utf8").trim()), "root");
    });
    assert.equal(output.match(/"msg":"the command line will not find this server by itself"/g)?.length, 1);
    assert.deepEqual(readdirSync(folder).toSorted(), ["data", "master.key"]);
  }
});

test("REQ-04 REQ-33 no new root token while the server runs, and the reason is said", async () => {
  for (const { options } of await modes()) {
    await serveOnce(options, async (url, server) => {
      const [token] = await server.until(ROOT_TOKEN);
      const refused = launchServer({ ...options, args: ["new-root-token", ...(options.args ?? [])] });
      assert.equal(await refused.end(), 1, refused.output());
      assert.match(refused.output(), /in use by a running BunKMS: stop it first/);
      assert.doesNotMatch(refused.output(), /bkms_/);
      assert.equal(await roleOf(url, token), "root");
    });
  }
});

test("REQ-33 no new root token where there is no vault, and none is made by asking", async () => {
  for (const { mode, options } of await modes()) {
    const refused = launchServer({ ...options, args: ["new-root-token", ...(options.args ?? [])] });
    assert.equal(await refused.end(), 1, refused.output());
    assert.match(refused.output(), /there is no vault/, mode);
    assert.doesNotMatch(refused.output(), /bkms_/);
  }
});

test("REQ-06 all that the server makes is for its owner alone, whatever the umask", async () => {
  for (const { options, mode, folder } of await modes()) {
    const deep = { ...options, umask: "000", env: { BUNKMS_DATA_PATH: join(folder, "a", "b", "data") } };
    const own = new Set(filesAndFolders(folder));
    const check = (): void => {
      const made = filesAndFolders(folder).filter((path) => !own.has(path));
      assert.ok(made.length >= 4, made.join());
      for (const path of made) {
        const status = lstatSync(path);
        const wanted = status.isDirectory() ? 0o700 : 0o600;
        // Folders above those that hold something are found, not made, by whoever comes later.
        assert.equal((status.mode & 0o777).toString(8), wanted.toString(8), `${mode}: ${path}`);
      }
    };
    await serveOnce(deep, async (url, server) => {
      const [token] = await server.until(ROOT_TOKEN);
      const rest = restTransport(url);
      const put = await rest.call(operationOf("secrets.put"), { name: "a", value: "b" }, { token });
      assert.equal(put.code, "ok");
      rest.close();
      check();
    });
    check();
    const made = launchServer({ ...deep, args: ["new-root-token", ...(options.args ?? [])] });
    assert.equal(await made.end(), 0, made.output());
    check();
  }
});

function filesAndFolders(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).map((path) => join(folder, path));
}

function filesBelow(folder: string): readonly string[] {
  return filesAndFolders(folder).filter((path) => lstatSync(path).isFile());
}
