/** The load process: it runs one job after the other as they come in over IPC. */
import type { Job } from "./job.ts";
import { runJob } from "./run-job.ts";

process.on("message", async (job: Job) => {
  process.send?.(await runJob(job));
});
