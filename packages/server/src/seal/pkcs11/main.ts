/**
 * The process that talks to the token: one order from standard input, one outcome to the fourth descriptor, and out.
 * Standard output and error are nobody's, since modules write there what they like.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { hardenProcess } from "../../crypto/process-hardening.ts";
import { SealFailure, SealUnavailable } from "../seal.ts";
import { joinMessage, type Order, type Outcome, PinRefused, splitMessage } from "./order.ts";
import { unwrapOnToken, wrapOnToken } from "./token.ts";

const INPUT = 0;
const OUTPUT = 3;

function carryOut(): Buffer {
  const [head, pin, bytes, context] = splitMessage(readFileSync(INPUT));
  if (head === undefined || pin === undefined || bytes === undefined || context === undefined) {
    throw new SealUnavailable("the order was cut short");
  }
  const order: Order = JSON.parse(head.toString("utf8"));
  const work = order.action === "wrap" ? wrapOnToken : unwrapOnToken;
  return joinMessage({ result: "done", text: "" }, work(order, pin, bytes, context));
}

function outcomeOf(error: unknown): Outcome {
  if (error instanceof PinRefused) return { result: "pin-refused", text: error.message };
  if (error instanceof SealFailure) return { result: "failure", text: error.message };
  if (error instanceof SealUnavailable) return { result: "unavailable", text: error.message };
  // Of what was not foreseen, nothing is said that it may have been given.
  return { result: "unavailable", text: `unexpected ${error instanceof Error ? error.name : "error"}` };
}

hardenProcess();
let message: Buffer;
try {
  message = carryOut();
} catch (error) {
  message = joinMessage(outcomeOf(error));
}
writeFileSync(OUTPUT, message);
// Not process.exit(): that runs what the module has left to be done at the end, which in some crashes or hangs. With the
// process goes all memory that held a PIN or a key.
process.kill(process.pid, "SIGKILL");
