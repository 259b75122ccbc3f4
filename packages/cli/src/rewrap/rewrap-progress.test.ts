import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeIo } from "../test-bed.ts";
import { RewrapProgress } from "./rewrap-progress.ts";

/** What is shown while ten groups of 500 pass, one each 100 ms; `|` where the line is cleared. */
function shown(terminal: boolean): string {
  const { io, outcome } = fakeIo({ terminal });
  let time = 0;
  const progress = new RewrapProgress({ ...io, now: () => new Date(time) }, 1000);
  for (let i = 1; i <= 10; i++) {
    time += 100;
    progress.show(i * 100, 1000 + i * 500);
  }
  progress.end();
  progress.end();
  return outcome(0).stderr.replaceAll("\r\x1b[K", "|");
}

test("a terminal shows how far a file is and how fast this run is, and in the end no line is left", () => {
  assert.equal(
    shown(true),
    "|20 %, 2000 ciphertexts, 2500/s|40 %, 3000 ciphertexts, 3750/s|60 %, 4000 ciphertexts, 4167/s" +
      "|80 %, 5000 ciphertexts, 4375/s|100 %, 6000 ciphertexts, 4500/s|",
  );
});

test("what is no terminal shows no progress", () => {
  assert.equal(shown(false), "");
});
