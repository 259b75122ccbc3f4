import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { checkArchivePlace } from "./archive-place.ts";
import { PlaceRefused } from "./sinks/file-place.ts";

test("an archive that is not there yet is looked at where it would be made", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-place-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const data = join(folder, "data");
  const check = (path: string) => () => checkArchivePlace(path, data);
  // The data folder is not there before the first start, either.
  assert.throws(check(join(data, "archive")), PlaceRefused);
  assert.throws(check(folder), PlaceRefused);
  assert.throws(check("/"), PlaceRefused);
  mkdirSync(data);
  symlinkSync(data, join(folder, "link"));
  for (const path of ["data", "link", "link/archive", "link/of/entries"]) {
    assert.throws(check(join(folder, path)), /folder of its own/, path);
  }
  mkdirSync(join(folder, "open"));
  chmodSync(join(folder, "open"), 0o777);
  for (const path of ["open", "open/archive", "open/of/entries"]) {
    assert.throws(check(join(folder, path)), /everybody may write/, path);
  }
  writeFileSync(join(folder, "file"), "");
  assert.throws(check(join(folder, "file")), /no folder/);
  assert.throws(check(join(folder, "file", "archive")), /ENOTDIR/);
  for (const path of ["archive", "archive/of/entries", "data-archive"]) {
    check(join(folder, path))();
  }
});
