import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { goProgram } from "./go-program.ts";

/** What a witness is started with. */
export interface WitnessOptions {
  /** File with its key and what it cosigned last; a witness that is started again with it goes on where it was. */
  readonly state: string;
  /** Verifier keys of the logs that it knows; each one's name is the log's origin. */
  readonly logs: readonly string[];
  /** Of a key that is made when there is no state yet. */
  readonly keyType?: "ed25519" | "ml-dsa-44";
  readonly name?: string;
  /** Port of the loopback address; any free one unless given. */
  readonly port?: number;
}

/** A witness (C2SP tlog-witness) that runs: go/cmd/witness, which is made of published libraries alone. */
export interface RunningWitness {
  /** Submission and monitoring prefix. */
  readonly url: string;
  /** Its verifier key. */
  readonly vkey: string;
  readonly process: ChildProcess;
  /** Ends it at once, as a crash would. */
  stop(): Promise<void>;
}

/** Starts a witness on a loopback port. It ends with this process at the latest. */
export async function startWitness(options: WitnessOptions): Promise<RunningWitness> {
  const { state, logs, keyType = "ed25519", name = "witness.example/w1", port = 0 } = options;
  const child = spawn(
    await goProgram("witness"),
    [
      ...["-state", state, "-key-type", keyType, "-name", name, "-listen", `127.0.0.1:${port}`],
      ...logs.flatMap((vkey) => ["-log", vkey]),
    ],
    { stdio: ["pipe", "pipe", "pipe"] },
  );
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  const line = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).once("line", resolve);
    child.on("error", reject).once("close", (code) => reject(new Error(`the witness ended with ${code}: ${errors}`)));
  });
  const { url, vkey } = JSON.parse(line) as { readonly url: string; readonly vkey: string };
  return {
    url,
    vkey,
    process: child,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await once(child, "close");
      }
    },
  };
}
