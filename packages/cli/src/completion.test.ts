import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { SHELLS } from "./completion.ts";
import { buildProgram } from "./program.ts";
import { fakeIo, temporaryFolder } from "./test-bed.ts";

const program = buildProgram(fakeIo().io, () => {});

/** What a real bash offers for the last of the words. */
function completed(words: readonly string[], cwd: string): string[] {
  const script = `${SHELLS.bash(program)}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _bunkms; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const out = execFileSync("bash", ["--norc", "-c", script, "bash", ...words], { encoding: "utf8", cwd });
  return out.split("\n").filter((line) => line !== "");
}

describe("completion in bash", () => {
  inFolder("offers commands, then their sub-commands", (cwd) => {
    assert.deepEqual(completed(["bunkms", "se"], cwd), ["secret", "server"]);
    assert.deepEqual(completed(["bunkms", "key", ""], cwd).slice(0, 4), ["create", "list", "get", "rotate"]);
    assert.deepEqual(completed(["bunkms", "slot", "add", "p"], cwd), ["pkcs11"]);
    assert.deepEqual(completed(["bunkms", "operator", "rotate"], cwd), ["rotate-root", "rotate-barrier"]);
    assert.deepEqual(completed(["bun-kms-cli", "key", "cr"], cwd), ["create"]);
  });

  inFolder("offers a command's own options, past arguments and other options' values", (cwd) => {
    assert.deepEqual(completed(["bunkms", "--url", "key", "secret", "delete", "--y"], cwd), ["--yes"]);
    assert.deepEqual(completed(["bunkms", "key", "create", "list", "--ty"], cwd), ["--type"]);
    assert.deepEqual(completed(["bunkms", "key", "rotate", "--ty"], cwd), []);
  });

  inFolder("offers an option's usual values, and files where a file is wanted", (cwd) => {
    writeFileSync(join(cwd, "invoice.pdf"), "");
    assert.deepEqual(completed(["bunkms", "key", "create", "k", "--type", "ecdsa-"], cwd), [
      "ecdsa-p256",
      "ecdsa-p384",
      "ecdsa-p521",
      "ecdsa-secp256k1",
    ]);
    assert.deepEqual(completed(["bunkms", "key", "list", "--state", "d"], cwd), ["disabled", "destroyed"]);
    assert.deepEqual(completed(["bunkms", "encrypt", "k", "--in", "inv"], cwd), ["invoice.pdf"]);
    assert.deepEqual(completed(["bunkms", "operator", "init", "--out-folder", "inv"], cwd), ["invoice.pdf"]);
    const ofSeveral = completed(["bunkms", "decrypt", "k", "--algorithm", ""], cwd);
    assert.ok(["rsa-oaep-sha384", "ecdsa-sha256"].every((name) => ofSeveral.includes(name)));
    assert.deepEqual(completed(["bunkms", "encrypt-file", "f", "-o", "inv"], cwd), ["invoice.pdf"]);
    assert.deepEqual(completed(["bunkms", "encrypt", "k", "--aad", ""], cwd), []);
  });
});

describe("completion in bash with an alias", () => {
  // Bash takes @ for the end of a word.
  inFolder("offers the command's options, whatever the alias is called", (cwd) => {
    assert.deepEqual(completed(["bunkms", "key", "get", "@", "list", "--pub"], cwd), ["--public-key"]);
    assert.deepEqual(completed(["bunkms", "sign", "@", "key", "--enc"], cwd), ["--encoding"]);
  });
});

test("completion for zsh and fish names every command", () => {
  for (const shell of ["zsh", "fish"] as const) {
    for (const word of ["rotate", "whoami", "new-root-token", "--type".slice(2)]) {
      assert.ok(SHELLS[shell](program).includes(word), `${shell}: ${word}`);
    }
  }
});

function inFolder(name: string, body: (cwd: string) => void): void {
  test(name, () => {
    using folder = temporaryFolder();
    body(folder.path);
  });
}
