import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { httpRequest, PAYLOAD, type Target } from "./target.ts";

/** Starts the bare `node:http` JSON echo server that everything is compared with. */
export async function startEcho(): Promise<Target> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "echo-server.ts")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const [port] = await once(child.stdout, "data");
  const body = { plaintext: PAYLOAD, aad: "bench" };
  return {
    name: "echo",
    pid: child.pid as number,
    workloads: [
      {
        operation: "echo",
        transport: "REST",
        protocol: "http1",
        address: `127.0.0.1:${String(port).trim()}`,
        request: httpRequest("POST", "/", { authorization: `Bearer ${"x".repeat(43)}` }, body, '"plaintext":"xxxx'),
      },
    ],
    async stop() {
      child.kill();
      await ended;
    },
  };
}
