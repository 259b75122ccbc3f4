import type { Job, PreparedRequest } from "../load/job.ts";

/** What is encrypted, signed and stored: 256 bytes. */
export const PAYLOAD = "x".repeat(256);

/** A server under load. */
export interface Target {
  readonly name: string;
  readonly pid: number;
  readonly workloads: readonly Workload[];
  /** Ends it and removes what it left. */
  stop(): Promise<void>;
}

/** One operation over one transport, as it is sent to a target. */
export interface Workload {
  /** The table's row. */
  readonly operation: string;
  readonly transport: "REST" | "gRPC";
  readonly protocol: Job["protocol"];
  readonly address: string;
  readonly request: PreparedRequest;
}

/** An HTTP request in the bytes that go over the wire. */
export function httpRequest(
  method: "GET" | "POST",
  path: string,
  headers: Readonly<Record<string, string>>,
  body: unknown,
  expected: string,
): PreparedRequest {
  const text = body === undefined ? "" : JSON.stringify(body);
  const sent = body === undefined ? headers : { ...headers, "content-type": "application/json" };
  const lines = Object.entries({ host: "127.0.0.1", ...sent, "content-length": String(Buffer.byteLength(text)) });
  const head = [`${method} ${path} HTTP/1.1`, ...lines.map(([name, value]) => `${name}: ${value}`), "", ""].join(
    "\r\n",
  );
  return { path, token: "", bytes: base64(head + text), expected: base64(expected) };
}

/** A workload over HTTP/1.1. */
export type RestWorkload = (
  operation: string,
  method: "GET" | "POST",
  path: string,
  body: unknown,
  expected: string,
) => Workload;

/** Makes the workloads of one server, each with these headers. */
export function restWorkloads(address: string, headers: Readonly<Record<string, string>>): RestWorkload {
  return (operation, method, path, body, expected) => ({
    operation,
    transport: "REST",
    protocol: "http1",
    address,
    request: httpRequest(method, path, headers, body, expected),
  });
}

export function base64(text: string | Uint8Array): string {
  return Buffer.from(text).toString("base64");
}
