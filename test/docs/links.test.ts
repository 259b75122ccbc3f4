import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { type Document, ROOT, readDocuments } from "./documents.ts";

const DOCUMENTS = readDocuments();
/** In backticks, from the root: `packages/server/src/main.ts`, and folders with a slash at the end. */
const NAMED_PATH = /`((?:\.ci|bench|clients|docs|examples|packages|proto|scripts|spec|test)\/[\w./-]*)`/g;
const LINK = /(?<!!)\[[^\]]*\]\(([^)\s]+)\)/g;

/** What is wrong with the links and names of paths in a document. */
function dangling({ path, text }: Document): readonly string[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, "");
  const links = [...prose.matchAll(LINK)].map((match) => match[1] as string).filter((link) => !/^[a-z]+:/.test(link));
  const badLinks = links.filter((link) => {
    const [file, anchor] = link.split("#") as [string, string?];
    const target = file === "" ? path : join(dirname(path), file);
    return !existsSync(join(ROOT, target)) || (anchor !== undefined && !anchors(target).includes(anchor));
  });
  const names = [...text.matchAll(NAMED_PATH)].map((match) => match[1] as string);
  return [...badLinks, ...names.filter((name) => !existsSync(join(ROOT, name)))].map((target) => `${path}: ${target}`);
}

/** The anchors of a document's headings, as GitHub makes them. */
function anchors(path: string): readonly string[] {
  return [...readFileSync(join(ROOT, path), "utf8").matchAll(/^#+ (.*)$/gm)].map((match) =>
    (match[1] as string)
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}

test("every relative link, and every path that a document names, leads somewhere", () => {
  assert.ok(DOCUMENTS.some(({ path }) => path === "README.md"));
  assert.deepEqual(DOCUMENTS.flatMap(dangling), []);
});

test("a link and a path that lead nowhere are found", () => {
  const text = "[a](no.md) [b](README.md#no) [c](README.md#where-things-are) [d](https://x/no.md) `docs/no.md` `docs/`";
  assert.deepEqual(dangling({ path: "X.md", text }), ["X.md: no.md", "X.md: README.md#no", "X.md: docs/no.md"]);
});
