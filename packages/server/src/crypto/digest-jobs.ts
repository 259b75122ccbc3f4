/** The thread that makes and checks signatures of digests: does one job after the other (digest-thread.ts). */

import { type MessagePort, parentPort } from "node:worker_threads";
import { takeQuestions } from "../threads/asked-thread.ts";
import type { DigestJob } from "./digest-thread.ts";
import { wipe } from "./kdf.ts";
import { carryOut, type JobResult } from "./signing-job.ts";

/** What came of a job. A signature comes as plain bytes, since a port keeps no classes. */
export type JobReply = { readonly result: JobResult | Uint8Array } | { readonly error: unknown };

const port = parentPort as MessagePort;

takeQuestions(port, (job: DigestJob) => port.postMessage(answer(job)));

function answer(job: DigestJob): JobReply {
  try {
    return { result: carryOut(job) };
  } catch (error) {
    return { error };
  } finally {
    wipe(job.input);
  }
}
