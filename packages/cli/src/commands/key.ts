import type { CommandGroup } from "../command.ts";
import { backupCommand, restoreCommand } from "./key-backup.ts";
import { deletionPreviewCommand, scheduleDeletionCommand } from "./key-deletion.ts";
import { exportCommand } from "./key-export.ts";
import { importCommand, prepareImportCommand } from "./key-import.ts";
import { cancelDeletionCommand, disableCommand, enableCommand, rotateCommand } from "./key-life.ts";
import { createCommand, updateCommand } from "./key-make.ts";
import { jwksCommand, publicCommand } from "./key-public.ts";
import { getCommand, listCommand, typesCommand } from "./key-read.ts";

/** `bunkms key …` */
export const keyCommands: CommandGroup = {
  name: "key",
  summary: "Create, list, show, rotate, change, disable, delete, import, export and back up keys",
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
    publicCommand,
    jwksCommand,
    prepareImportCommand,
    importCommand,
    exportCommand,
    backupCommand,
    restoreCommand,
    typesCommand,
  ],
};
