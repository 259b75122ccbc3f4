import { fileURLToPath } from "node:url";
import { runNode } from "../../bin/run-node.js";
import { type CommandGroup, type CommandSpec, defineCommand } from "../command.ts";
import type { ExitCode } from "../exit-codes.ts";
import { Failure } from "../failure.ts";

/** The server hardens itself; these flags of its runtime can only be given at the start. */
const NODE_FLAGS = ["--disable-warning=ExperimentalWarning", "--disable-sigusr1"];

const start: CommandSpec = defineCommand({
  usage: "start [arguments...]",
  summary: "Run a server in the foreground",
  details:
    "What follows goes to the server as it is; bunkms server start --help shows the server's own help. The exit code\n" +
    "is the server's.",
  examples: ["bunkms server start --dev", "bunkms server start --master-key-file /etc/bunkms/master.key"],
  shared: "none",
  passThrough: true,
  run: ({ args }) => runServer(args),
});

const newRootToken = defineCommand({
  usage: "new-root-token [arguments...]",
  summary: "Make a new root token when the old one is lost",
  details:
    "Runs on the server's machine while the server is stopped, and needs its master key. The audit log records it.\n" +
    "What follows goes to the server program as it is.",
  examples: ["bunkms server new-root-token --data-path /var/lib/bunkms --master-key-file /etc/bunkms/master.key"],
  shared: "none",
  passThrough: true,
  run: ({ args }) => runServer(["new-root-token", ...args]),
});

/** `bunkms server …` */
export const serverCommands: CommandGroup = {
  name: "server",
  summary: "Run a server, or get back into one",
  commands: [start, newRootToken],
};

async function runServer(args: readonly (string | undefined)[]): Promise<ExitCode> {
  const given = args.filter((word) => word !== undefined);
  // The server's exit code is passed on even when this command has no meaning for it.
  return (await runNode(process.execPath, [...NODE_FLAGS, findServer(), ...given])) as ExitCode;
}

/** The server is a program of its own: it is found by its package and run, never loaded here. */
function findServer(): string {
  try {
    return fileURLToPath(import.meta.resolve("@bunkms/server/start"));
  } catch {
    throw new Failure(7, "the server is not installed here", "Install the package @bunkms/server beside this one.");
  }
}
