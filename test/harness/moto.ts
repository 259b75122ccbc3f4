import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ROOT } from "../../scripts/run-program.ts";
import { findClosedPort } from "./canned-server.ts";

const PROGRAM = join(ROOT, ".cache", "venv", "bin", "moto_server");
const START_TIMEOUT_MS = 30_000;
const POLL_MS = 50;

/** Where the AWS SDK finds credentials, which moto does not look at, and no others. */
export const MOTO_CREDENTIALS = Object.freeze({
  AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
  AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
  AWS_EC2_METADATA_DISABLED: "true",
  AWS_CONFIG_FILE: "/dev/null",
  AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
});

/** A running moto: AWS's services, imitated on loopback. */
export interface Moto {
  readonly url: string;
  remove(): Promise<void>;
}

/** @throws Error with what it printed, when it does not serve within 30 seconds. `npm test` installs it. */
export async function startMoto(): Promise<Moto> {
  const port = await findClosedPort();
  const child = spawn(PROGRAM, ["--host", "127.0.0.1", "--port", String(port)], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "close");
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const remove = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  const url = `http://127.0.0.1:${port}`;
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline && child.exitCode === null) {
    const isUp = await fetch(`${url}/moto-api/data.json`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isUp) return { url, remove };
    await sleep(POLL_MS);
  }
  await remove();
  throw new Error(`moto does not serve\n${output}`);
}
