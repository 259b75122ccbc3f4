import type { CommandGroup } from "../command.ts";
import { deletionPreviewCommand, scheduleDeletionCommand } from "./key-deletion.ts";
import { cancelDeletionCommand, disableCommand, enableCommand, rotateCommand } from "./key-life.ts";
import { createCommand, updateCommand } from "./key-make.ts";
import { getCommand, listCommand, typesCommand } from "./key-read.ts";

/** `bunkms key …` */
export const keyCommands: CommandGroup = {
  name: "key",
  summary: "Create, list, show, rotate, change, disable and delete keys",
  commands: [
    createCommand,
    listCommand,
    getCommand,
    rotateCommand,
    updateCommand,
    enableCommand,
    disableCommand,
    scheduleDeletionCommand,
    cancelDeletionCommand,
    deletionPreviewCommand,
    typesCommand,
  ],
};
