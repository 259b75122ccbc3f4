import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Job, JobResult } from "./job.ts";

/** A process of its own that makes the load, so that it has the second core and its garbage is nobody else's. */
export interface LoadProcess {
  run(job: Job): Promise<JobResult>;
  stop(): void;
}

export function startLoadProcess(): LoadProcess {
  const child = fork(join(import.meta.dirname, "main.ts"), { execArgv: ["--disable-warning=ExperimentalWarning"] });
  const ended = once(child, "exit").then(() => {
    throw new Error("the load process ended");
  });
  // Its end is of interest to a job under way only.
  ended.catch(() => {});
  return {
    async run(job) {
      child.send(job);
      const [result] = await Promise.race([once(child, "message"), ended]);
      return result as JobResult;
    },
    stop() {
      child.kill();
    },
  };
}
