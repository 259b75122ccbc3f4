import type { Key } from "@bunkms/client";
import { type CommandSpec, defineCommand, type Invocation, required } from "../command.ts";
import { printKey } from "../key-output.ts";
import { VERSION_OPTION, type VersionOptions } from "../key-version.ts";

/** `bunkms key rotate` */
export const rotateCommand = defineCommand({
  usage: "rotate <name>",
  summary: "Add a version, which new encryptions and signatures use",
  details: "Old versions still decrypt and verify.",
  examples: ["bunkms key rotate invoices"],
  async run(invocation) {
    const client = await invocation.connect();
    printKey(invocation, await client.keys.rotateKey({ name: required(invocation, 0) }));
    return 0;
  },
});

/** `bunkms key enable` */
export const enableCommand = stepCommand({
  usage: "enable <name>",
  summary: "Let a disabled key, or one version, work again",
  examples: ["bunkms key enable invoices", "bunkms key enable invoices --version 2"],
  async step({ connect }, name, version) {
    const { keyLife } = await connect();
    return version === undefined ? keyLife.enableKey({ name }) : keyLife.enableKeyVersion({ name, version });
  },
});

/** `bunkms key disable` */
export const disableCommand = stepCommand({
  usage: "disable <name>",
  summary: "Stop every use of a key, or of one version, at once",
  details: "It can be enabled again.",
  examples: ["bunkms key disable invoices", "bunkms key disable invoices --version 2"],
  async step({ connect }, name, version) {
    const { keyLife } = await connect();
    return version === undefined ? keyLife.disableKey({ name }) : keyLife.disableKeyVersion({ name, version });
  },
});

/** `bunkms key cancel-deletion` */
export const cancelDeletionCommand = stepCommand({
  usage: "cancel-deletion <name>",
  summary: "Keep a key, or one version, that is pending deletion",
  details: "It is disabled then; bunkms key enable lets it work again.",
  examples: ["bunkms key cancel-deletion invoices", "bunkms key cancel-deletion invoices --version 2"],
  async step({ connect }, name, version) {
    const { keyLife } = await connect();
    return version === undefined
      ? keyLife.cancelKeyDeletion({ name })
      : keyLife.cancelKeyVersionDeletion({ name, version });
  },
});

interface StepSpec extends Pick<CommandSpec, "usage" | "summary" | "details" | "examples"> {
  /** @param version One version only; undefined: the whole key. */
  step(invocation: Invocation<VersionOptions>, name: string, version: number | undefined): Promise<Key>;
}

/** A command that takes a key, or one version of it, from one state to another. */
function stepCommand({ step, ...spec }: StepSpec): CommandSpec {
  return defineCommand<VersionOptions>({
    ...spec,
    options: [VERSION_OPTION("Only this version")],
    async run(invocation) {
      printKey(invocation, await step(invocation, required(invocation, 0), invocation.options.version));
      return 0;
    },
  });
}
