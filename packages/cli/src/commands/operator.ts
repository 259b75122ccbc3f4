import type { CommandGroup } from "../command.ts";
import { generateRootCommand } from "./operator-generate-root.ts";
import { initCommand } from "./operator-init.ts";
import { barrierStatusCommand, rotateBarrierCommand, rotateRootCommand } from "./operator-rotation.ts";
import { sealCommand, sealStatusCommand, unsealCommand } from "./operator-seal.ts";

/** `bunkms operator …` */
export const operatorCommands: CommandGroup = {
  name: "operator",
  summary: "Make, seal and unseal the vault, change its own keys, and make a root token from shares",
  commands: [
    sealStatusCommand,
    initCommand,
    unsealCommand,
    sealCommand,
    generateRootCommand,
    rotateRootCommand,
    rotateBarrierCommand,
    barrierStatusCommand,
  ],
};
