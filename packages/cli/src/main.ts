import { processIo } from "./process-io.ts";
import { run } from "./run.ts";

// Whoever reads the output may stop reading, as `head` does. That is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 7);
});

// Remarks that are lost leave the exit code as it is. Ended by the error, it would be 1: the answer of a command that says no.
process.stderr.on("error", () => {});

// The exit code is set, not exited with, so that all output is written first.
process.exitCode = await run(process.argv.slice(2), processIo());
