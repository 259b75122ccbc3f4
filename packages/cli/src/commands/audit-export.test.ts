import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { encodeBundle } from "@bunkms/tlog";
import { runLine, temporaryFolder } from "../test-bed.ts";

const HARMFUL = "\u0085\u009b2J\u061c\u200e\u200f\u2028\u202e\u2066";
// As the server writes them: it escapes what is below U+0020, and nothing else.
const ENTRY = JSON.stringify({ v: 1, operation: "keys.create", resource: `key/${HARMFUL}\u001b[2J` });
const NOTE = `log\n1\n${Buffer.alloc(32).toString("base64")}\n\n— log ${Buffer.alloc(68).toString("base64")}\n`;

describe("bunkms audit export", () => {
  test("gives a file and a pipe the entries' bytes, and a terminal escapes of what it would act on", async () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "entries");
    mkdirSync(join(folder.path, "tile/entries/000.p"), { recursive: true });
    writeFileSync(join(folder.path, "tile/entries/000.p/1"), encodeBundle([Buffer.from(ENTRY)]));
    writeFileSync(join(folder.path, "checkpoint"), NOTE);
    for (const [format, escapes] of [
      ["jsonl", /key\/\\u0085\\u009b2J\\u061c\\u200e\\u200f\\u2028\\u202e\\u2066\\u001b\[2J"/],
      ["cef", / cs2=key\/\\x85\\x9b2J\\u061c\\u200e\\u200f\\u2028\\u202e\\u2066\\x1b\[2J /],
    ] as const) {
      const run = async (terminal: boolean, ...more: readonly string[]) => {
        const argv = ["audit", "export", folder.path, "--format", format, ...more];
        const outcome = await runLine(argv, "http://127.0.0.1:1", { terminal });
        assert.equal(outcome.code, 0, outcome.stderr);
        return outcome.stdout;
      };
      const piped = await run(false);
      assert.ok(piped.includes(HARMFUL), piped);
      assert.equal(await run(true, "--out", file, "--force"), "");
      assert.equal(readFileSync(file, "utf8"), piped);
      const shown = await run(true);
      assert.match(shown, escapes);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
      assert.doesNotMatch(shown, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\p{Bidi_Control}]/u);
      if (format === "jsonl") {
        assert.equal(piped, `{"index":0,"entry":${ENTRY}}\n`);
        assert.deepEqual(JSON.parse(shown), JSON.parse(piped));
      }
    }
  });
});
