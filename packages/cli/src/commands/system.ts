import type { ProbeResult, RawBody } from "@bunkms/client";
import { defineCommand, type Invocation, option } from "../command.ts";
import { openOut } from "../out-file.ts";
import { printFields, printJson, printMessage, writeBytes } from "../output.ts";

interface RawOptions {
  readonly out?: string;
}

const RAW_OPTIONS = () => [option("--out <file>", "Write to this file, not to standard output")];

/** `bunkms status` */
export const statusCommand = defineCommand({
  usage: "status",
  summary: "Show whether the server is alive and ready",
  details: "Needs no token. Exits with 0 when it is alive and ready, else with 6.",
  examples: ["bunkms status", "bunkms status --url https://kms.example.com:8080 --json"],
  async run({ io, options, connect }) {
    const client = await connect();
    const health = await client.health();
    const ready = await client.ready();
    if (options.json) {
      printJson(io, { health: asJson(health), ready: asJson(ready) });
    } else {
      printFields(io, [
        ["health", verdict(health)],
        ["ready", verdict(ready)],
      ]);
    }
    return health.ok && ready.ok ? 0 : 6;
  },
});

/** `bunkms metrics` */
export const metricsCommand = defineCommand<RawOptions>({
  usage: "metrics",
  summary: "Print the server's metrics, in Prometheus text format",
  options: RAW_OPTIONS(),
  examples: ["bunkms metrics"],
  async run(invocation) {
    const { system } = await invocation.connect();
    return await printRaw(invocation, () => system.getMetrics({}));
  },
});

/** `bunkms openapi` */
export const openapiCommand = defineCommand<RawOptions>({
  usage: "openapi",
  summary: "Print the API's description, OpenAPI 3.1",
  options: RAW_OPTIONS(),
  examples: ["bunkms openapi --out openapi.json"],
  async run(invocation) {
    const { system } = await invocation.connect();
    return await printRaw(invocation, () => system.getOpenApi({}));
  },
});

async function printRaw({ io, options }: Invocation<RawOptions>, ask: () => Promise<RawBody>): Promise<0> {
  await using file = await openOut(options);
  const answer = await ask();
  options.json ? printMessage(io, answer) : await writeBytes(io, answer.data, file);
  return 0;
}

function verdict({ ok, httpStatus, body }: ProbeResult): string {
  if (ok) {
    return "ok";
  }
  const why = typeof body === "object" && body !== null && !Array.isArray(body) ? body["error"] : undefined;
  return typeof why === "string" ? `no: ${why}` : `no (HTTP ${httpStatus})`;
}

function asJson({ ok, httpStatus, body }: ProbeResult): object {
  return { ok, http_status: httpStatus, body };
}
