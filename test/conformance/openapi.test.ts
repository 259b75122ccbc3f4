import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { ROOT } from "../../scripts/run-program.ts";
import { startServer } from "../harness/server.ts";
import { runSchemathesis, validateOpenApi } from "./schemathesis.ts";

const IS_SOAK = process.env["BUNKMS_SOAK"] === "1";
const SEED = Number(process.env["BUNKMS_TEST_SEED"] ?? (IS_SOAK ? Date.now() % 1_000_000_000 : 20_261_125));
const MIN_CASES = IS_SOAK ? 20_000 : 2_000;
const PATH = join(ROOT, "packages", "contract", "src", "gen", "openapi.json");

const document = JSON.parse(readFileSync(PATH, "utf8")) as { readonly paths: Readonly<Record<string, object>> };
// Schemathesis leaves out the operation by which it read the description; that one has a test of its own.
const operations = Object.entries(document.paths)
  .flatMap(([path, item]) => Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`))
  .filter((operation) => operation !== "GET /openapi.json");

const server = await startServer({ args: ["--log-level", "silent"] });
after(() => server.remove());
/** Sealing ends what all others do, so that it has a server of its own. */
const SEALING = ["POST /v1/sys/seal", "PUT /v1/sys/seal"];
const SEALING_IDS = ["sealVault", "sealVaultByPUT"];

const { report, output } = await runSchemathesis({
  url: server.url,
  token: server.rootToken,
  seed: SEED,
  maxExamples: IS_SOAK ? 1_000 : 15,
  args: SEALING_IDS.flatMap((id) => ["--exclude-operation-id", id]),
});
const cases = report.test_cases.generated - report.test_cases.without_checks;
console.log(`schemathesis: ${cases} cases checked, seed ${report.seed}`);

/** The section of schemathesis's output about one operation: the requests, what was wrong, how to send them again. */
function section(operation: string): string {
  const start = output.indexOf(` ${operation} __`);
  return start < 0 ? output : output.slice(start, output.indexOf("\n____", start)).slice(0, 5_000);
}

test("the description is valid OpenAPI 3.1", async () => {
  assert.equal(await validateOpenApi(PATH), "");
});

test("the server serves the committed description, to a caller with a token", async () => {
  const headers = { authorization: `Bearer ${server.rootToken}` };
  const response = await fetch(`${server.url}/openapi.json`, { headers });
  assert.equal(response.status, 200);
  assert.equal(await response.text(), readFileSync(PATH, "utf8"));
  assert.equal((await fetch(`${server.url}/openapi.json`)).status, 401);
});

test(`schemathesis tries every operation, with at least ${MIN_CASES} cases in all (seed ${SEED})`, () => {
  assert.deepEqual(report.errors, []);
  assert.ok(report.complete);
  assert.equal(report.operations.tested, operations.length - SEALING.length);
  assert.ok(cases >= MIN_CASES, `only ${cases} cases`);
});

test(`schemathesis finds nothing wrong with ${SEALING.join(", ")}, after which everything answers that it is sealed (seed ${SEED})`, async () => {
  const own = await startServer({ args: ["--log-level", "silent", "--store", "memory"] });
  try {
    const sealing = await runSchemathesis({
      url: own.url,
      token: own.rootToken,
      seed: SEED,
      maxExamples: 25,
      // Of a sealed vault 503 is the answer to whatever comes.
      args: [
        ...SEALING_IDS.flatMap((id) => ["--include-operation-id", id]),
        ...[
          "--exclude-checks",
          "not_a_server_error,positive_data_acceptance,negative_data_rejection,missing_required_header,unsupported_method",
        ],
      ],
    });
    assert.deepEqual(sealing.report.errors, []);
    assert.deepEqual(sealing.report.failures, [], sealing.output);
    assert.equal((await fetch(`${own.url}/ready`)).status, 503);
    assert.equal((await fetch(`${own.url}/health`)).status, 200);
  } finally {
    await own.remove();
  }
});

for (const operation of operations.filter((name) => !SEALING.includes(name))) {
  test(`schemathesis finds nothing wrong with ${operation} (seed ${SEED})`, () => {
    const titles = report.failures
      .filter((failure) => failure.operations.includes(operation))
      .map(({ title }) => title);
    assert.deepEqual(titles, [], section(operation));
  });
}

test(`schemathesis finds nothing wrong with methods and paths that the contract does not have (seed ${SEED})`, () => {
  const strangers = report.failures
    .flatMap((failure) => failure.operations)
    .filter((name) => !operations.includes(name));
  assert.deepEqual(strangers, [], strangers.map(section).join("\n"));
});

test("the server is ready after it all", async () => {
  assert.equal((await fetch(`${server.url}/ready`)).status, 200);
});
