import { create, type DescMessage, type DescMethod, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { Health, HealthCheckRequestSchema, HealthCheckResponse_ServingStatus } from "@bunkms/contract/descriptors";
import { UnexpectedAnswerError } from "../errors.ts";
import type { TlsOptions } from "../options.ts";
import type { Attempt, Wire } from "../wire.ts";
import { Channel } from "./channel.ts";
import { exchange } from "./exchange.ts";

/** The gRPC way to a server. It connects with the first call. */
export function createGrpcWire(url: URL, tls: TlsOptions | undefined): Wire {
  const channel = new Channel(url, tls);

  async function* stream(method: DescMethod, requests: AsyncIterable<Message>, attempt: Attempt) {
    for await (const bytes of exchange(channel, pathOf(method), encoded(method.input, requests), attempt)) {
      yield decode(method.output, bytes, channel.origin);
    }
  }

  async function unary(method: DescMethod, request: Message, attempt: Attempt): Promise<Message> {
    let answer: Message | undefined;
    for await (const message of stream(method, once(request), attempt)) {
      if (answer !== undefined) {
        // The others are not read: there may be no end of them.
        throw new UnexpectedAnswerError(`${channel.origin} answered with several messages in place of one`, 200);
      }
      answer = message;
    }
    if (answer === undefined) {
      throw new UnexpectedAnswerError(`${channel.origin} answered with no message`, 200);
    }
    return answer;
  }

  return {
    origin: channel.origin,
    call: ({ method }, request, attempt) => unary(method, request, attempt),
    stream,
    async probe(probe, attempt) {
      const answer = await unary(Health.method.check, create(HealthCheckRequestSchema), attempt);
      const { status } = answer as Message & { status: HealthCheckResponse_ServingStatus };
      const isServing = status === HealthCheckResponse_ServingStatus.SERVING;
      // Any answer is a sign of life.
      const ok = probe === "health" || isServing;
      return {
        ok,
        httpStatus: ok ? 200 : 503,
        body: { status: HealthCheckResponse_ServingStatus[status] ?? "UNKNOWN" },
      };
    },
    close: () => channel.close(),
  };
}

function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

async function* once(request: Message): AsyncGenerator<Message> {
  yield request;
}

async function* encoded(schema: DescMessage, requests: AsyncIterable<Message>): AsyncGenerator<Uint8Array> {
  for await (const request of requests) {
    yield toBinary(schema, request);
  }
}

function decode(schema: DescMessage, bytes: Uint8Array, origin: string): Message {
  try {
    return fromBinary(schema, bytes);
  } catch {
    throw new UnexpectedAnswerError(`${origin} sent what is not a ${schema.typeName}`, 200);
  }
}
