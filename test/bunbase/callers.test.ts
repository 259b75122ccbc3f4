import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ROOT, runProgram } from "../../scripts/run-program.ts";
import { readTrail } from "../requirements/audit-trail.ts";
import { restTransport } from "../requirements/operation-call.ts";
import { readGoEvents } from "../setup/go-tests.ts";
import { type FedProgram, feed, GO_ENVIRONMENT, type GoPrograms, goPrograms, goTokens } from "./go-programs.ts";
import { type ComparedServer, JWT_SECRET, startGoServer, startOurServer } from "./go-server.ts";

const DOCUMENT = readFileSync(join(ROOT, "docs", "bunbase-compatibility.md"), "utf8");
const WORKLOADS = ["encrypt", "decrypt", "mixed", "secrets", "keys"];

let programs: GoPrograms;
let ours: Awaited<ReturnType<typeof startOurServer>>;
let theirs: ComparedServer;
let token: string;

before(async () => {
  programs = await goPrograms();
  [token = ""] = await goTokens([{ secret: JWT_SECRET, subject: "platform", role: "admin", seconds: 3600 }]);
  ours = await startOurServer();
  theirs = await startGoServer();
});

after(async () => {
  await theirs.stop();
  await ours.stop();
});

/** The rows of the document's table below a heading, without their outer bars. */
function documented(heading: string): readonly string[] {
  const section = DOCUMENT.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  return [...section.matchAll(/^\| (.*) \|$/gm)].map((match) => match[1] as string).slice(1);
}

/** A command of the Go command line, its input, and what is left of its output when all that differs from run to run is gone. */
interface Command {
  readonly args: readonly string[];
  readonly input?: string;
}

const CIPHERTEXT = "CIPHERTEXT";

const COMMANDS: readonly Command[] = [
  { args: ["key", "create", "app"] },
  { args: ["key", "create", "ec", "ecdsa-p256"] },
  { args: ["key", "create", "rsa", "rsa-2048"] },
  { args: ["key", "create", "app"] },
  { args: ["key", "create", "odd", "des"] },
  { args: ["key", "get", "app"] },
  { args: ["key", "get", "none"] },
  { args: ["key", "rotate", "app"] },
  { args: ["encrypt", "app", "attack at dawn"] },
  { args: ["decrypt", "app", CIPHERTEXT] },
  { args: ["encrypt", "app", "-"], input: "from standard input\n" },
  { args: ["decrypt", "app", "-"], input: CIPHERTEXT },
  { args: ["decrypt", "app", "AAAA"] },
  { args: ["secret", "put", "db-password", "s3cr3t"] },
  { args: ["secret", "get", "db-password"] },
  { args: ["secret", "put", "file", "-"], input: "of a file" },
  { args: ["secret", "get", "file"] },
  { args: ["secret", "get", "none"] },
  { args: ["key", "revoke", "app"] },
  { args: ["key", "revoke", "app"] },
  { args: ["encrypt", "app", "too late"] },
];

/** Runs all commands against a server. The ciphertext that the last encryption printed stands where one is needed. */
async function runCli(url: string): Promise<readonly FedProgram[]> {
  const results: FedProgram[] = [];
  let ciphertext = "";
  for (const { args, input = "" } of COMMANDS) {
    const filled = args.map((argument) => (argument === CIPHERTEXT ? ciphertext : argument));
    const fed = input === CIPHERTEXT ? ciphertext : input;
    const result = await feed(programs.cli, ["-url", url, "-token", token, ...filled], fed);
    if (args[0] === "encrypt" && result.code === 0) {
      ciphertext = result.output.trim();
    }
    results.push(result);
  }
  return results;
}

/** What a command printed, in few words: JSON by its names, a ciphertext as such, text as it is. */
function shown({ code, output, errors }: FedProgram): string {
  if (code !== 0) {
    return `exit ${code}, ${/^error: ([A-Z][A-Za-z ]+):/.exec(errors)?.[1] ?? errors.trim()}`;
  }
  const text = output.trim();
  if (text.startsWith("{")) {
    return Object.keys(JSON.parse(text)).toSorted().join(" ");
  }
  return /^[A-Za-z0-9+/=]{40,}$/.test(text) ? "a ciphertext" : text;
}

test("the Go command line works unchanged: each command does here what it does with the Go server", async () => {
  const [here, there] = [await runCli(ours.url), await runCli(theirs.url)];
  const rows = COMMANDS.map(({ args, input }, i) => {
    const [own, go] = [here[i] as FedProgram, there[i] as FedProgram];
    assert.equal(own.code, go.code, `${args.join(" ")}: ${own.errors}`);
    const [ownShown, goShown] = [shown(own), shown(go)];
    const more = ownShown.split(" ").filter((word) => !goShown.split(" ").includes(word));
    const less = goShown.split(" ").filter((word) => !ownShown.split(" ").includes(word));
    assert.deepEqual(less, [], args.join(" "));
    assert.ok(more.length === 0 || own.output.startsWith("{"), `${args.join(" ")}: ${ownShown}`);
    const fed = input === undefined ? "" : " (standard input)";
    const besides = more.includes("purpose") ? "more of the key's metadata" : more.join(" ");
    return `\`${args.join(" ")}\`${fed} | ${goShown} | the same${besides === "" ? "" : `, and ${besides}`}`;
  });
  assert.deepEqual(documented("The Go command line"), rows);
});

for (const run of ["first", "second"]) {
  test(`the Go load tester works unchanged, in its ${run} run over the same server`, async () => {
    const rows: string[] = [];
    for (const workload of WORKLOADS) {
      const args = [
        "-url",
        ours.url,
        "-token",
        token,
        "-workload",
        workload,
        "-duration",
        "2s",
        "-clients",
        "4",
        "-keys",
        "1",
      ];
      const { code, output, errors } = await feed(programs.loadtest, args);
      assert.equal(code, 0, errors);
      const [, operations = "", failed = ""] = /total_ops=(\d+) errors=(\d+)/.exec(output) ?? [];
      assert.ok(Number(operations) > 8, output);
      // A secret that is read before it was put is an error with the Go server too.
      assert.ok(workload === "secrets" ? Number(failed) < Number(operations) / 2 : failed === "0", output);
      rows.push(
        `\`${workload}\` | ${workload === "secrets" ? "only secrets that are read before they are put" : "none"}`,
      );
    }
    assert.deepEqual(documented("The Go load tester"), rows);
  });
}

test("the Go server's API tests and load tests pass unchanged against this server", async () => {
  const packages = ["./internal/api/", "./internal/loadtest/"];
  const { code, output } = await runProgram(
    "go",
    ["test", "-json", "-count=1", "-overlay", programs.overlay, ...packages],
    {
      cwd: programs.kmsFolder,
      env: { ...GO_ENVIRONMENT, BUNKMS_TEST_URL: ours.url, BUNKMS_TEST_TOKEN: token },
    },
  );
  assert.deepEqual(readGoEvents(output, code), { passed: 9, failures: [] });
  const rest = restTransport(ours.url);
  const { entries } = await readTrail(rest, ours.server.rootToken);
  rest.close();
  for (const name of ["api-key", "enc-key", "rot-key", "test-key", "loadtest-key"]) {
    assert.ok(
      entries.some((entry) => entry.resource === `key/${name}` && entry.identity_name === "jwt:platform"),
      `${name} was never used here`,
    );
  }
});

interface ProbeOrder {
  readonly client: string;
  readonly do: "get" | "put" | "name";
  readonly name: string;
  readonly value?: string;
}

const PROVIDER = "tenant_auth.projects.7e57ed00-0000-4000-8000-000000000001.providers.google.client_secret";
const PROBES: readonly ProbeOrder[] = ["http", "rpc", "kmsrpc"].flatMap((client) => [
  { client, do: "put", name: `${PROVIDER}.${client}`, value: "GOCSPX-1" } as const,
  { client, do: "get", name: `${PROVIDER}.${client}` } as const,
  { client, do: "put", name: `${PROVIDER}.${client}`, value: "GOCSPX-2 é\n" } as const,
  { client, do: "get", name: `${PROVIDER}.${client}` } as const,
  { client, do: "get", name: "tenant_auth.none" } as const,
  { client, do: "put", name: "tenant_auth.bad name", value: "x" } as const,
  { client, do: "get", name: "another.service" } as const,
  { client, do: "put", name: "another.service", value: "x" } as const,
]);

async function probe(server: ComparedServer): Promise<readonly { readonly value: string; readonly error: string }[]> {
  const env = { BUNKMS_TEST_URL: server.url, BUNKMS_TEST_RPC: server.rpc, BUNKMS_TEST_TOKEN: token };
  const orders = [
    { client: "http", do: "name", name: "7e57ed00-0000-4000-8000-000000000001", value: "google" },
    ...PROBES,
  ];
  const { code, output, errors } = await feed(
    programs.probe,
    [],
    orders.map((order) => JSON.stringify(order)).join("\n"),
    env,
  );
  assert.equal(code, 0, errors);
  const [name, ...results] = output
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(name.value, PROVIDER);
  return results;
}

test("tenant-auth's two clients and pkg/kmsrpc work unchanged", async () => {
  const [here, there] = [await probe(ours), await probe(theirs)];
  const outcome = ({ value, error }: { readonly value: string; readonly error: string }): string =>
    error !== "" ? `error: ${error}` : value === "" ? "done" : JSON.stringify(value);
  const rows = PROBES.map(({ client, do: action, name, value }, i) => {
    const call = `${action === "get" ? "GetSecret" : "PutSecret"}(${JSON.stringify(name.replace(PROVIDER, "NAME"))}${value === undefined ? "" : `, ${JSON.stringify(value)}`})`;
    return `${client} | \`${call}\` | ${outcome(there[i] as never)} | ${outcome(here[i] as never)}`;
  });
  assert.deepEqual(documented("tenant-auth and pkg/kmsrpc"), rows);
  for (const [i, { client, name }] of PROBES.entries()) {
    // Over RPC the listener's identity may do only what the settings name.
    const isRefused = client !== "http" && name === "another.service";
    assert.equal(here[i]?.value, isRefused ? "" : there[i]?.value, name);
    assert.equal(here[i]?.error === "", !isRefused && there[i]?.error === "", `${client} ${name}: ${here[i]?.error}`);
  }
});
