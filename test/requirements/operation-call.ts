import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest, Agent as TlsAgent } from "node:https";
import { type DescMessage, fromBinary, fromJson, type JsonObject, toBinary, toJson } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { ErrorDetailSchema, type OperationSpec, RawBodySchema, readOperations } from "@bunkms/contract";
import * as grpc from "@grpc/grpc-js";
import type { TestServer } from "../harness/server.ts";

/** How a call ended. */
export interface Answer {
  /** `ok`, a code of the contract's error table, or `no answer`: then nobody knows whether it was done. */
  readonly code: string;
  /** The status on the wire: HTTP's, or gRPC's; -1 when there was no answer. */
  readonly status: number;
  /** The error's text; empty when ok. */
  readonly text: string;
  /** The request id that the server named. */
  readonly requestId: string;
  /** The answer with the contract's names; empty unless ok. */
  readonly value: JsonObject;
}

/** Who calls, and under which request id. */
export interface Caller {
  readonly token?: string | undefined;
  readonly requestId?: string;
  readonly idempotencyKey?: string;
}

/** One way to reach a server: the same operations, requests and answers over REST and gRPC. */
export interface Transport {
  readonly name: "rest" | "grpc";
  /** Never rejects. @param request JSON with the contract's names. */
  call(operation: OperationSpec, request: JsonObject, caller?: Caller): Promise<Answer>;
  close(): void;
}

/** How to connect. */
export interface TransportOptions {
  /** Certificates to trust, PEM; without them the connection is not encrypted. */
  readonly ca?: string;
  /** Of REST: the address to call from, one of loopback's. */
  readonly from?: string;
}

const NO_ANSWER: Answer = Object.freeze({ code: "no answer", status: -1, text: "", requestId: "", value: {} });

const OPERATIONS = new Map(readOperations().map((operation) => [operation.action, operation]));

/** The operation with this policy action. */
export function operationOf(action: string): OperationSpec {
  const operation = OPERATIONS.get(action);
  if (operation === undefined) {
    throw new Error(`the contract has no operation ${action}`);
  }
  return operation;
}

/** Calls over REST, as the contract's HTTP mapping says. @param url Base address without a trailing slash. */
export function restTransport(url: string, { ca, from }: TransportOptions = {}): Transport {
  const tls = url.startsWith("https:");
  const agent = tls
    ? new TlsAgent({ keepAlive: true, ...(ca === undefined ? {} : { ca }) })
    : new Agent({ keepAlive: true, ...(from === undefined ? {} : { localAddress: from }) });
  const start = tls ? httpsRequest : httpRequest;
  return {
    name: "rest",
    async call(operation, request, caller = {}) {
      const { method, hasBody } = operation.route;
      const { path, rest } = splitRequest(operation, request);
      const body = hasBody ? JSON.stringify(rest) : undefined;
      const headers = {
        ...callerHeaders(caller),
        ...(body === undefined
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
      };
      try {
        const sent = start(`${url}${path}`, { method, headers, agent });
        sent.end(body);
        return restAnswer(operation, await receive(sent));
      } catch {
        return NO_ANSWER;
      }
    },
    close: () => agent.destroy(),
  };
}

/** Fills the path template; what is left goes into the query, or into the body. */
function splitRequest(operation: OperationSpec, request: JsonObject): { path: string; rest: JsonObject } {
  const rest = { ...request };
  const segments = operation.route.segments.map((segment) => {
    if (segment.kind === "text") {
      return segment.text;
    }
    const value = String(rest[segment.field.name]);
    delete rest[segment.field.name];
    return segment.kind === "rest" ? value.split("/").map(encodeURIComponent).join("/") : encodeURIComponent(value);
  });
  const path = `/${segments.join("/")}`;
  if (operation.route.hasBody || Object.keys(rest).length === 0) {
    return { path, rest };
  }
  const query = Object.entries(rest).map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
  return { path: `${path}?${query.join("&")}`, rest: {} };
}

function callerHeaders({ token, requestId, idempotencyKey }: Caller): Record<string, string> {
  return {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(requestId === undefined ? {} : { "x-request-id": requestId }),
    ...(idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey }),
  };
}

interface Received {
  readonly status: number;
  readonly requestId: string;
  readonly body: Buffer;
}

async function receive(sent: ClientRequest): Promise<Received> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    sent.on("response", resolve);
    sent.on("error", reject);
  });
  const chunks: Buffer[] = [];
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
  }
  return {
    status: response.statusCode ?? 0,
    requestId: String(response.headers["x-request-id"]),
    body: Buffer.concat(chunks),
  };
}

function restAnswer(operation: OperationSpec, { status, requestId, body }: Received): Answer {
  const isRaw = operation.method.output.typeName === RawBodySchema.typeName;
  if (status === operation.route.status) {
    const value = isRaw ? { data: body.toString("base64") } : (JSON.parse(body.toString("utf8")) as JsonObject);
    return { code: "ok", status, text: "", requestId, value };
  }
  const { code, error } = JSON.parse(body.toString("utf8")) as { code: string; error: string };
  return { code, status, text: error, requestId, value: {} };
}

/** Calls over gRPC. @param address `host:port`. */
export function grpcTransport(address: string, { ca }: TransportOptions = {}): Transport {
  const credentials =
    ca === undefined ? grpc.credentials.createInsecure() : grpc.credentials.createSsl(Buffer.from(ca));
  // A broken connection is an answer that the test wants at once, not one to wait for.
  const client = new grpc.Client(address, credentials, { "grpc.enable_retries": 0 });
  return {
    name: "grpc",
    call(operation, request, caller = {}) {
      const { method } = operation;
      const metadata = new grpc.Metadata();
      for (const [name, value] of Object.entries(callerHeaders(caller))) {
        metadata.set(name, value);
      }
      return new Promise<Answer>((resolve) => {
        let answer: Answer = NO_ANSWER;
        const call = client.makeUnaryRequest(
          `/${method.parent.typeName}/${method.name}`,
          (bytes: Buffer) => bytes,
          (bytes: Buffer) => bytes,
          Buffer.from(toBinary(method.input, fromJson(method.input, request))),
          metadata,
          (error, bytes) => {
            answer = error === null ? grpcSuccess(method.output, bytes ?? Buffer.alloc(0)) : grpcError(error);
          },
        );
        // Comes after the callback, with the trailers.
        call.on("status", ({ metadata: trailers }) => {
          resolve({ ...answer, requestId: answer.requestId || String(trailers.get("x-request-id")[0] ?? "") });
        });
      });
    },
    close: () => client.close(),
  };
}

function grpcSuccess(schema: DescMessage, bytes: Buffer): Answer {
  const value = toJson(schema, fromBinary(schema, bytes), { useProtoFieldName: true, alwaysEmitImplicit: true });
  return { code: "ok", status: 0, text: "", requestId: "", value: value as JsonObject };
}

/** The stable code lies in google.rpc.Status.details (field 3), each a google.protobuf.Any whose value is field 2. */
function grpcError(error: grpc.ServiceError): Answer {
  const details = error.metadata?.get("grpc-status-details-bin")[0];
  if (!(details instanceof Buffer)) {
    return { ...NO_ANSWER, text: `${error.code}: ${error.details}` };
  }
  const any = bytesField(details, 3);
  const detail = fromBinary(ErrorDetailSchema, any === undefined ? Buffer.alloc(0) : (bytesField(any, 2) ?? any));
  return { code: detail.code, status: error.code, text: error.details, requestId: detail.requestId, value: {} };
}

function bytesField(message: Uint8Array, wanted: number): Uint8Array | undefined {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted) {
      return reader.bytes();
    }
    reader.skip(type);
  }
  return undefined;
}

/** REST and gRPC of one server, in this order. */
export function bothTransports({
  url,
  grpcAddr,
}: Pick<TestServer, "url" | "grpcAddr">): [rest: Transport, grpc: Transport] {
  return [restTransport(url), grpcTransport(grpcAddr)];
}

/** Lets go of the connections. */
export function closeAll(transports: readonly Transport[]): void {
  for (const transport of transports) {
    transport.close();
  }
}
