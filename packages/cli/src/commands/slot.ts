import type { AddSealSlotResponse, BunkmsClient, RewrapSealSlotResponse, SealSlot } from "@bunkms/client";
import { type CommandGroup, defineCommand, type Invocation, option, required } from "../command.ts";
import { refuseExposed, resolveUrl } from "../connection.ts";
import { withAdvice } from "../exit-codes.ts";
import { Failure, usage } from "../failure.ts";
import type { Io } from "../io.ts";
import { type Issued, issuedJson, issueShares, printShares } from "../issued-shares.ts";
import { printJson, printLine, printMessage } from "../output.ts";
import { confirm, refuseUnasked } from "../prompt.ts";
import { printSlots } from "../seal-output.ts";
import { hasShareOptions, SHARE_OPTIONS, type ShareFields, type ShareOptions, shareFields } from "../share-options.ts";

const SHAMIR = "shamir";
const KINDS = [SHAMIR, "env", "file", "pkcs11", "awskms", "gcpkms", "azurekv", "transit"];
const LISTED = 'Slots are listed by "bunkms slot list".';

const list = defineCommand({
  usage: "list",
  summary: "List the slots, in the order in which they were made",
  details:
    "Each holds the root key, wrapped by another seal, and any one opens the vault. The state says whether it does: opens,\n" +
    "fails, unchecked when it was not tried yet, not_configured when the server has no settings for its seal, shares when\n" +
    "people open it.",
  examples: ["bunkms slot list", "bunkms slot list --json"],
  async run({ io, options, connect }) {
    const { seals } = await connect();
    const answer = await seals.listSealSlots({});
    options.json ? printMessage(io, answer) : printSlots(io, answer.slots);
    return 0;
  },
});

const add = defineCommand<ShareOptions>({
  usage: "add <kind>",
  argumentHints: KINDS,
  summary: "Add a slot: another seal that opens the vault",
  details:
    `Kinds: ${KINDS.join(", ")}. All but shamir need the server's settings\n` +
    "for that seal (docs/seals.md). A shamir slot has shares, which are printed this once: give --shares and --threshold.\n" +
    "Needs a root token.",
  options: SHARE_OPTIONS(),
  examples: [
    "bunkms slot add pkcs11",
    "bunkms slot add shamir --shares 5 --threshold 3",
    "bunkms slot add shamir --threshold 2 --recipients-file holders.txt --out-folder shares",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    const kind = required(invocation, 0);
    const fields = await fieldsFor(invocation, kind);
    const { seals } = await invocation.connect();
    const issued = await issueShares(options, fields, () =>
      seals.addSealSlot({ kind, ...fields }).catch((error: unknown) => {
        throw withAdvice(error, { already_exists: 'Rewrap it instead: "bunkms slot rewrap ID".' });
      }),
    );
    return printIssued(io, options, issued);
  },
});

const remove = defineCommand<{ readonly yes?: boolean }>({
  usage: "remove <id>",
  summary: "Remove a slot: its seal opens the vault no more",
  details:
    "Never the last one. Who kept a copy of the slot and of its key still could open a copy of the data of before, until\n" +
    "bunkms operator rotate-root. On a terminal it asks first; elsewhere --yes is needed. Needs a root token.",
  options: [option("--yes", "Do not ask")],
  examples: ["bunkms slot remove 0123456789abcdef0123456789abcdef --yes"],
  async run(invocation) {
    const { io, options } = invocation;
    const id = required(invocation, 0);
    refuseUnasked(io, options.yes, "what a removed slot opened may be lost");
    const client = await invocation.connect();
    if (!options.yes && !(await confirm(io, `Remove ${describe(await findSlot(client, id))}?`))) {
      throw usage("nothing was removed");
    }
    const answer = await client.seals.removeSealSlot({ id }).catch((error: unknown) => {
      throw withAdvice(error, { not_found: LISTED });
    });
    options.json ? printMessage(io, answer) : printLine(io, `${id} removed`);
    return 0;
  },
});

const rewrap = defineCommand<ShareOptions>({
  usage: "rewrap <id>",
  summary: "Wrap the root key in a slot anew: under its seal's newest key, or for new shares",
  details:
    "A shamir slot gets new shares, which are printed this once, as many as before unless --shares and --threshold say\n" +
    "otherwise. The old shares open nothing from then on: use it when a holder leaves. Needs a root token.",
  options: SHARE_OPTIONS(),
  examples: [
    "bunkms slot rewrap 0123456789abcdef0123456789abcdef",
    "bunkms slot rewrap 0123456789abcdef0123456789abcdef --shares 7 --threshold 4 --out-folder shares-2027",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    const id = required(invocation, 0);
    const client = await invocation.connect();
    const slot = await findSlot(client, id);
    const fields = await fieldsFor(invocation, slot.kind, slot);
    const issued = await issueShares(options, fields, () => client.seals.rewrapSealSlot({ id, ...fields }));
    return printIssued(io, options, issued);
  },
});

/** `bunkms slot …` */
export const slotCommands: CommandGroup = {
  name: "slot",
  summary: "List, add, remove and rewrap the slots that hold the root key",
  commands: [list, add, remove, rewrap],
};

/** What a request says of shares: nothing of kinds that have none. @param before The slot that gets new ones. */
async function fieldsFor(
  { io, options }: Invocation<ShareOptions>,
  kind: string,
  before?: SealSlot,
): Promise<ShareFields> {
  if (kind !== SHAMIR) {
    if (hasShareOptions(options)) {
      throw usage(`only a ${SHAMIR} slot has shares`);
    }
    return { secretShares: 0, secretThreshold: 0, shareRecipients: [] };
  }
  refuseExposed(await resolveUrl(io, options), "somebody could read the shares");
  const { secretShares, secretThreshold, shareRecipients } = await shareFields(io, options);
  return {
    secretShares: secretShares || (before?.secretShares ?? 0),
    secretThreshold: secretThreshold || (before?.secretThreshold ?? 0),
    shareRecipients,
  };
}

async function findSlot({ seals }: BunkmsClient, id: string): Promise<SealSlot> {
  const { slots } = await seals.listSealSlots({});
  const slot = slots.find((one) => one.id === id);
  if (slot === undefined) {
    throw new Failure(4, "there is no seal slot of this id", LISTED);
  }
  return slot;
}

function describe({ id, kind, keyName }: SealSlot): string {
  return `slot ${id} (${kind}, ${keyName})`;
}

function printIssued(
  io: Io,
  { json }: { readonly json?: boolean },
  issued: Issued<AddSealSlotResponse | RewrapSealSlotResponse>,
): 0 | 7 {
  if (json) {
    printJson(io, issuedJson(issued));
  } else {
    printSlots(io, issued.answer.slot === undefined ? [] : [issued.answer.slot]);
    if (issued.answer.shares.length > 0) {
      io.stdout.write("\n");
      printShares(io, issued);
    }
  }
  return issued.failure === undefined ? 0 : 7;
}
