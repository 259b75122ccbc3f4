import { enableCompileCache } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";

// Halves the time to start. The folder is this user's own: compiled code from one that others can write to, such as the
// default below /tmp, would be theirs to choose.
enableCompileCache(join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "bunkms", "compiled"));
const { processIo } = await import("./process-io.ts");
const { run } = await import("./run.ts");

// Whoever reads the output may stop reading, as `head` does. That is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 7);
});

// The exit code is set, not exited with, so that all output is written first.
process.exitCode = await run(process.argv.slice(2), processIo());
