import assert from "node:assert/strict";
import { test } from "node:test";
import { walkCommands } from "./command-tree.ts";
import { buildProgram } from "./program.ts";
import { fakeIo, fakeServer, runLine } from "./test-bed.ts";

const commands = walkCommands(buildProgram(fakeIo().io, () => {})).filter(({ words }) => words.length > 0);
const places = commands.flatMap(({ words, args, command }) => {
  const needed = [
    ...args.filter(({ required }) => required).map(() => "x"),
    ...command.options.filter(({ mandatory }) => mandatory).map(({ long }) => `${long}=x`),
  ];
  return command.options
    .filter(({ flags }) => /<(?:file|key:file|folder|source|url)>/.test(flags))
    .map(({ long }) => ({ line: [...words, ...needed], long }));
});

test("an option for a place that is empty is refused by every command that has one, and nothing is asked for", async () => {
  await using server = await fakeServer({});
  assert.ok(places.length > 200);
  for (const { line, long } of places) {
    const { code, stdout, stderr } = await runLine([...line, `${long}=`], server.url);
    assert.deepEqual([code, stdout], [2, ""], line.join(" "));
    assert.equal(stderr, `bunkms: ${long} is empty\n  Is a variable of the shell unset?\n`);
  }
  assert.deepEqual(server.seen, []);
});

test("an option that stands before the command is looked at, too, and each of several", async () => {
  await using server = await fakeServer({});
  for (const [line, empty] of [
    [["--url=", "key", "list"], "--url"],
    [["migrate", "from-bunkms-go", "--data=x", "--audit-log=x", "--audit-log="], "--audit-log"],
  ] as const) {
    const { code, stderr } = await runLine(line, server.url);
    assert.deepEqual([code, stderr], [2, `bunkms: ${empty} is empty\n  Is a variable of the shell unset?\n`]);
  }
  assert.deepEqual(server.seen, []);
});

test("an option for a text may be empty: a description is taken away so", async () => {
  await using server = await fakeServer({});
  await runLine(["key", "update", "k", "--description="], server.url);
  assert.equal(server.seen.length, 1);
});

test("an argument that is empty is refused by every command, and nothing is asked for: not the current folder, nor a server", async () => {
  await using server = await fakeServer({});
  for (const line of [
    ["key", "get", ""],
    ["secret", "get", ""],
    ["audit", "mirror", ""],
    ["audit", "verify", ""],
    ["audit", "export", ""],
    ["audit", "hash", "", "--field", "aad"],
    ["operator", "unseal", "share-1.txt", ""],
    ["operator", "generate-root", ""],
    ["call", ""],
  ]) {
    const { code, stdout, stderr } = await runLine(line, server.url);
    assert.deepEqual(
      [code, stdout, stderr],
      [2, "", "bunkms: an argument is empty\n  Is a variable of the shell unset?\n"],
    );
  }
  assert.deepEqual(server.seen, []);
});
