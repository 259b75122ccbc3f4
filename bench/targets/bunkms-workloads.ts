import {
  create,
  type DescMessage,
  type DescMethodBiDiStreaming,
  type DescMethodUnary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { BunkmsProcess } from "./bunkms-process.ts";
import { base64, httpRequest, type Workload } from "./target.ts";

/** A server's answer as JSON. */
export type Answer = Readonly<Record<string, unknown>>;

/** Says what one server is asked, in its root token's name. */
export interface BunkmsWorkloads {
  /**
   * Calls the server once: a POST with a body, a GET without one.
   * @throws Error with the answer, when it is no success.
   */
  call(path: string, body?: unknown): Promise<Answer>;
  /** A call over REST. @param expected What a success has in its body, and an error has not. */
  rest(operation: string, path: string, body: unknown, expected: string): Workload;
  /** A call over gRPC, or the messages of a stream one after the other. @param expected As of `rest`. */
  grpc<I extends DescMessage>(
    operation: string,
    method: DescMethodUnary<I, DescMessage> | DescMethodBiDiStreaming<I, DescMessage>,
    fields: MessageInitShape<I>,
    expected: Uint8Array | string,
  ): Workload;
}

export function bunkmsWorkloads(server: Pick<BunkmsProcess, "rest" | "grpc" | "rootToken">): BunkmsWorkloads {
  const headers = { authorization: `Bearer ${server.rootToken}` };
  return {
    async call(path, body) {
      const sent =
        body === undefined
          ? { headers }
          : {
              method: "POST",
              headers: { ...headers, "content-type": "application/json" },
              body: JSON.stringify(body),
            };
      const response = await fetch(`http://${server.rest}${path}`, sent);
      if (!response.ok) {
        throw new Error(`${path}: ${response.status} ${await response.text()}`);
      }
      return (await response.json()) as Answer;
    },
    rest(operation, path, body, expected) {
      const method = body === undefined ? "GET" : "POST";
      const request = httpRequest(method, path, headers, body, expected);
      return { operation, transport: "REST", protocol: "http1", address: server.rest, request };
    },
    grpc(operation, method, fields, expected) {
      const request = {
        path: `/${method.parent.typeName}/${method.name}`,
        token: server.rootToken,
        bytes: base64(toBinary(method.input, create(method.input, fields))),
        expected: base64(expected),
      };
      const protocol = method.methodKind === "unary" ? "grpc" : "grpc-stream";
      return { operation, transport: "gRPC", protocol, address: server.grpc, request };
    },
  };
}
