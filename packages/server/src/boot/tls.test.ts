import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeAuthority } from "../../../../test/requirements/certificates.ts";
import { TlsSource } from "./tls.ts";

test("what is wrong with the files is reported once, anew when it is something else, and whenever somebody asks", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-tls-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const { cert, key } = await (await makeAuthority(folder)).issue("server");
  context.mock.timers.enable({ apis: ["setInterval"] });
  const reported: string[] = [];
  const source = new TlsSource({ certPath: cert, keyPath: key }, (error) => reported.push((error as Error).message));
  source.watch();
  context.after(() => source.close());
  const looks = (count: number): void => context.mock.timers.tick(2_000 * count);
  const have = (...expected: readonly RegExp[]): void => {
    assert.equal(reported.length, expected.length, reported.join());
    for (const [at, text] of expected.entries()) assert.match(reported[at] as string, text);
  };
  copyFileSync(key, `${key}.kept`);

  rmSync(key);
  looks(5);
  have(/ENOENT/);
  writeFileSync(key, "nonsense");
  looks(5);
  have(/ENOENT/, /not a PEM certificate/);
  source.reload();
  have(/ENOENT/, /not a PEM certificate/, /not a PEM certificate/);
  renameSync(`${key}.kept`, key);
  looks(2);
  rmSync(key);
  looks(5);
  have(/ENOENT/, /not a PEM certificate/, /not a PEM certificate/, /ENOENT/);
});
