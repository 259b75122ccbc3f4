import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ROOT } from "../../scripts/run-program.ts";
import { GO_CALLS, type GoAnswer, type GoCall } from "./calls.ts";
import { goTokens } from "./go-programs.ts";
import { JWT_SECRET, startGoServer, startOurServer } from "./go-server.ts";

const DOCUMENT = join(ROOT, "docs", "bunbase-compatibility.md");

/** What one server answered to each call, by the call's words. */
type Answers = ReadonlyMap<string, GoAnswer>;

let ours: Awaited<ReturnType<typeof startOurServer>>;
let theirs: Awaited<ReturnType<typeof startGoServer>>;
let here: Answers;
let there: Answers;

before(async () => {
  const [admin = "", expired = ""] = await goTokens(
    [600, -60].map((seconds) => ({ secret: JWT_SECRET, subject: "app", role: "admin", seconds })),
  );
  ours = await startOurServer();
  theirs = await startGoServer();
  here = await callAll(ours.url, { admin, expired });
  there = await callAll(theirs.url, { admin, expired });
});

after(async () => {
  await theirs.stop();
  await ours.stop();
});

async function callAll(url: string, tokens: { readonly admin: string; readonly expired: string }): Promise<Answers> {
  const answers = new Map<string, GoAnswer>();
  for (const call of GO_CALLS) {
    answers.set(call.what, await make(url, call, tokens[call.token === "expired" ? "expired" : "admin"], answers));
  }
  return answers;
}

async function make(url: string, call: GoCall, token: string, answers: Answers): Promise<GoAnswer> {
  const body = typeof call.body === "function" ? call.body(answers) : call.body;
  const response = await fetch(url + call.path, {
    method: call.method,
    headers: {
      ...(call.token === "none" ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": call.contentType ?? "application/json" }),
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as GoAnswer["body"] };
}

const answerOf = (answers: Answers, { what }: GoCall): GoAnswer => answers.get(what) as GoAnswer;

/** What both answer, and what only this server does. */
function row(call: GoCall): string {
  const [go, own] = [answerOf(there, call), answerOf(here, call)];
  const names = (body: GoAnswer["body"]): readonly string[] => Object.keys(body).toSorted();
  const more = names(own.body).filter((name) => !Object.hasOwn(go.body, name));
  const code = (list: readonly string[]): string => list.map((name) => `\`${name}\``).join(" ");
  const less = names(go.body).filter((name) => !Object.hasOwn(own.body, name));
  const same = less.length === 0 ? "the same" : `the same, without ${code(less)}`;
  const cells = [
    call.what,
    `\`${call.method} ${call.path.length > 60 ? `${call.path.slice(0, 20)}…` : call.path}\``,
    `${go.status} ${code(names(go.body))}`,
    go.status === own.status ? same : `**${own.status}**`,
    more.includes("purpose") ? "more of the key's metadata" : code(more) || "–",
  ];
  return `| ${cells.join(" | ")} |`;
}

/** What is different on purpose, and said so in the document. */
const DIFFERENT: readonly string[] = ["get a revoked key", "the health check"];

test("every call of the Go server's API has the same status here for who comes with its JWT, and the same members", () => {
  for (const call of GO_CALLS.filter(({ what }) => !DIFFERENT.includes(what))) {
    const [go, own] = [answerOf(there, call), answerOf(here, call)];
    assert.equal(own.status, go.status, `${call.what}: ${JSON.stringify(own.body)}`);
    for (const [name, value] of Object.entries(go.body)) {
      assert.equal(typeof own.body[name], typeof value, `${call.what}: ${name}`);
      assert.equal(Array.isArray(own.body[name]), Array.isArray(value), `${call.what}: ${name}`);
    }
  }
});

test("what is the same in every answer is the same here: names, types, versions, plaintexts, values, verdicts", () => {
  const equal = [
    "name",
    "type",
    "latest_version",
    "version",
    "plaintext",
    "plaintext_b64",
    "value",
    "value_b64",
    "valid",
    "status",
  ];
  for (const call of GO_CALLS.filter(({ what }) => !DIFFERENT.includes(what))) {
    const [go, own] = [answerOf(there, call).body, answerOf(here, call).body];
    for (const name of equal.filter((candidate) => Object.hasOwn(go, candidate))) {
      assert.deepEqual(own[name], go[name], `${call.what}: ${name}`);
    }
  }
  for (const answers of [there, here]) {
    const versions = answers.get("rotate a key")?.body["versions"] as readonly Record<string, unknown>[];
    assert.deepEqual(
      versions.map(({ version }) => version),
      [1, 2],
    );
    for (const time of [versions[0]?.["created_at"], answers.get("get a secret of text")?.body["created_at"]]) {
      assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000);
    }
    const lengths = ["ECDSA", "RSA"].map((kind) => answers.get(`sign a digest (${kind})`)?.body["signature_b64"]);
    assert.deepEqual(
      lengths.map((signature) => Buffer.from(String(signature), "base64").length),
      [64, 256],
    );
  }
});

test("docs/bunbase-compatibility.md lists each call with what both servers answer", () => {
  const documented = readFileSync(DOCUMENT, "utf8")
    .split("\n")
    .filter((line) => /^\| [a-z][^|]* \| `(GET|POST|PUT) \//.test(line));
  assert.deepEqual(documented, GO_CALLS.map(row));
});

test("who comes with a token of the vault gets the contract's statuses, and its forms", async () => {
  const call = (path: string, body: object) =>
    fetch(ours.url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${ours.server.rootToken}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  assert.equal((await call("/v1/keys", { name: "rsa" })).status, 409);
  assert.equal((await call("/v1/keys/none/rotate", {})).status, 404);
  assert.equal((await call("/v1/encrypt/rsa", { plaintext: "", plaintext_b64: "eA==" })).status, 400);
  const digest_b64 = Buffer.alloc(32).toString("base64");
  assert.equal((await call("/v1/keys/none/verify", { digest_b64, signature_b64: "AAAA" })).status, 404);
  assert.equal((await fetch(`${ours.url}/v1/keys/rsa`, { method: "PUT" })).status, 401);
});
