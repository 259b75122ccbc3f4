/** The thread that makes and checks signatures of digests: does one job after the other (digest-thread.ts). */

import { type MessagePort, parentPort } from "node:worker_threads";
import { wipe } from "./kdf.ts";
import { type CheckingJob, carryOut, type JobResult, type SigningJob } from "./signing-job.ts";

/** What came of a job. A signature comes as plain bytes, since a port keeps no classes. */
export type JobReply = { readonly result: JobResult | Uint8Array } | { readonly error: unknown };

const port = parentPort as MessagePort;

port.on("message", (job: SigningJob | CheckingJob) => port.postMessage(answer(job)));

function answer(job: SigningJob | CheckingJob): JobReply {
  try {
    return { result: carryOut(job) };
  } catch (error) {
    return { error };
  } finally {
    wipe(job.input);
  }
}
