/**
 * The other yardstick: what `crypto.sign` of this runtime makes in a bare loop. Prints signatures per second of CPU time.
 * Called with a key type as `crypto.generateKeyPairSync` names it, and seconds.
 */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";

const MESSAGE = Buffer.alloc(64, "x");
/** Between two looks at the clock. */
const BURST = 16;

const [type = "", seconds = "1"] = process.argv.slice(2);
const key = generate(type);
const hash = type === "rsa" || type === "ec" ? "sha256" : null;
signFor(0.2);
const cpuBefore = process.cpuUsage();
const signatures = signFor(Number(seconds));
const { user, system } = process.cpuUsage(cpuBefore);
process.stdout.write(`${signatures / ((user + system) / 1e6)}\n`);

function generate(name: string): KeyObject {
  const options = name === "rsa" ? { modulusLength: 2048 } : name === "ec" ? { namedCurve: "P-256" } : {};
  // The types name each key type apart, and this takes any.
  const { privateKey } = generateKeyPairSync(name as "ec", options as { namedCurve: string });
  return privateKey;
}

function signFor(length: number): number {
  const end = performance.now() + length * 1000;
  let count = 0;
  while (performance.now() < end) {
    for (let i = 0; i < BURST; i++) {
      sign(hash, MESSAGE, key);
    }
    count += BURST;
  }
  return count;
}
