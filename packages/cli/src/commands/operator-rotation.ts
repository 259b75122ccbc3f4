import { setTimeout as sleep } from "node:timers/promises";
import { defineCommand, option } from "../command.ts";
import { printMessage, printNote } from "../output.ts";
import { ProgressLine } from "../progress-line.ts";
import { printRotation, printSlots } from "../seal-output.ts";

const POLL_MS = 250;

/** `bunkms operator rotate-root` */
export const rotateRootCommand = defineCommand({
  usage: "rotate-root",
  summary: "Change the root key, and wrap the new one in all slots",
  details:
    "Needs a root token. Shares go on working, and nobody needs to be there; all other seals must be reachable, or nothing\n" +
    "changes. What was kept of slots from before opens nothing any more.",
  examples: ["bunkms operator rotate-root"],
  async run({ io, options, connect }) {
    const { seals } = await connect();
    const answer = await seals.rotateRootKey({});
    options.json ? printMessage(io, answer) : printSlots(io, answer.slots);
    return 0;
  },
});

/** `bunkms operator rotate-barrier` */
export const rotateBarrierCommand = defineCommand({
  usage: "rotate-barrier",
  summary: "Change the barrier key, which seals the records",
  details:
    "Needs a root token. New records are sealed by it at once; those that are there are sealed anew in the background,\n" +
    "while the server goes on serving, also after a restart.",
  examples: ["bunkms operator rotate-barrier && bunkms operator barrier-status --wait"],
  async run(invocation) {
    const { seals } = await invocation.connect();
    const answer = await seals.rotateBarrierKey({});
    printRotation(invocation, answer);
    if (!invocation.options.json) {
      printNote(invocation.io, "How far it is: bunkms operator barrier-status --wait");
    }
    return 0;
  },
});

/** `bunkms operator barrier-status` */
export const barrierStatusCommand = defineCommand<{ readonly wait?: boolean }>({
  usage: "barrier-status",
  summary: "Show which barrier key seals the records, and how many are sealed anew",
  options: [option("--wait", "Until all are, and show how far it is")],
  examples: ["bunkms operator barrier-status", "bunkms operator barrier-status --wait"],
  async run(invocation) {
    const { io, options } = invocation;
    const { seals } = await invocation.connect();
    const line = new ProgressLine(io);
    try {
      let rotation = await seals.getBarrierRotation({});
      while (options.wait && rotation.inProgress) {
        const { percent, recordsResealed } = rotation;
        line.show(() => `${percent} %, ${recordsResealed} records`);
        await sleep(POLL_MS);
        rotation = await seals.getBarrierRotation({});
      }
      line.end();
      printRotation(invocation, rotation);
    } finally {
      line.end();
    }
    return 0;
  },
});
