import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import type { JsonObject } from "@bufbuild/protobuf";
import { ROOT } from "../../scripts/run-program.ts";
import type { Answer, Transport } from "../requirements/operation-call.ts";

/** The Go client's module. */
export const GO_CLIENT = join(ROOT, "clients", "go");

let built: Promise<string> | undefined;

/** The program that makes calls with the Go client, built once per process. @throws Error when Go or a module is missing. */
async function callerProgram(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "bunkms-go-caller-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "caller");
  await promisify(execFile)("go", ["build", "-o", path, "./internal/integration/caller"], { cwd: GO_CLIENT });
  return path;
}

/**
 * Calls through the Go client, one after the other.
 * @param address As the Go client takes it, which says whether it is REST or gRPC.
 * @param ca File of the authorities to trust.
 */
export async function goTransport(address: string, ca: string): Promise<Transport> {
  built ??= callerProgram();
  const child = spawn(await built, ["-address", address, "-ca", ca], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    name: address.startsWith("http") ? "rest" : "grpc",
    async call({ method }, request: JsonObject, { token = "", requestId = "" } = {}): Promise<Answer> {
      const asked = { service: method.parent.typeName, method: method.name, request, token, request_id: requestId };
      child.stdin.write(`${JSON.stringify(asked)}\n`);
      const line = await lines.next();
      if (line.done === true) {
        return { code: "no answer", status: -1, text: "the Go program ended", requestId: "", value: {} };
      }
      const { request_id, value, ...rest } = JSON.parse(line.value) as Omit<Answer, "requestId"> & {
        request_id: string;
      };
      return { ...rest, requestId: request_id, value: value ?? {} };
    },
    close: () => child.stdin.end(),
  };
}
