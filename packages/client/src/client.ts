import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodBiDiStreaming,
  type DescMethodUnary,
  type DescService,
  type Message,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import {
  AliasService,
  AttachmentService,
  AuditService,
  KeyBatchService,
  KeyLifeService,
  KeyService,
  KeyStreamService,
  KeyTransferService,
  KeyUseService,
  SealService,
  SecretService,
  SystemService,
  TokenService,
} from "@bunkms/contract";
import { parseAddress } from "./address.ts";
import { Caller } from "./caller.ts";
import { RequestError } from "./errors.ts";
import { createFetchWire } from "./fetch-wire.ts";
import { idempotencyKey, isRepeatable } from "./idempotency.ts";
import { lazyWire } from "./lazy-wire.ts";
import { findSpec } from "./operation-lookup.ts";
import type { CallOptions, ClientOptions } from "./options.ts";
import { loadRuntime } from "./runtime-loader.ts";
import type { Probe, ProbeResult, Wire } from "./wire.ts";

/**
 * A contract's service as functions: request in, answer out. A stream takes requests one after the other, from an array, a
 * generator or any other iterable, as fast as the server takes them, and yields the answers in their order.
 */
export type ServiceClient<S extends Omit<DescService, "method"> & { method: object }> = {
  readonly [K in keyof S["method"]]: S["method"][K] extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : S["method"][K] extends DescMethodBiDiStreaming<infer I, infer O>
      ? (requests: StreamRequests<I>, options?: CallOptions) => AsyncGenerator<MessageShape<O>>
      : never;
};

/** What a stream's requests come from. */
export type StreamRequests<I extends DescMessage> = AsyncIterable<MessageInitShape<I>> | Iterable<MessageInitShape<I>>;

/** A client of one BunKMS server. Safe to share between concurrent calls. */
export interface BunkmsClient {
  /**
   * Calls any operation of the contract.
   * @throws BunkmsApiError, ConnectionError, UnexpectedAnswerError, RequestError
   */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options?: CallOptions,
  ): Promise<MessageShape<O>>;
  readonly keys: ServiceClient<typeof KeyService>;
  readonly keyUse: ServiceClient<typeof KeyUseService>;
  readonly keyBatch: ServiceClient<typeof KeyBatchService>;
  /** The batch operations without an end. gRPC only: over REST each throws RequestError. */
  readonly keyStreams: ServiceClient<typeof KeyStreamService>;
  readonly keyLife: ServiceClient<typeof KeyLifeService>;
  readonly keyTransfer: ServiceClient<typeof KeyTransferService>;
  readonly aliases: ServiceClient<typeof AliasService>;
  readonly secrets: ServiceClient<typeof SecretService>;
  readonly tokens: ServiceClient<typeof TokenService>;
  readonly seals: ServiceClient<typeof SealService>;
  readonly audit: ServiceClient<typeof AuditService>;
  readonly attachments: ServiceClient<typeof AttachmentService>;
  readonly system: ServiceClient<typeof SystemService>;
  /** Whether the server is alive. Needs no token. @throws ConnectionError */
  health(options?: CallOptions): Promise<ProbeResult>;
  /** Whether the server can serve: unsealed, and able to write. Needs no token. @throws ConnectionError */
  ready(options?: CallOptions): Promise<ProbeResult>;
  /** Lets go of connections. Calls under way fail, and so does every later one. */
  close(): void;
}

/**
 * Makes a client. Nothing is sent until the first call.
 * @throws RequestError when the address is not usable, or TLS options would have no effect; RangeError when the retry policy is not.
 */
export function createClient(options: ClientOptions): BunkmsClient {
  const wire = createWire(options);
  const caller = new Caller(wire.origin, options);

  const call: BunkmsClient["call"] = async (method, request, callOptions = {}) => {
    const spec = findSpec(method as DescMethod);
    // The generic descriptor type hides that init shape and descriptor belong together.
    const message = create(method.input as DescMessage, request as MessageInitShape<DescMessage>);
    const kind = {
      authenticated: true,
      repeatable: isRepeatable(spec),
      idempotencyKey: idempotencyKey(spec, callOptions.idempotencyKey),
    };
    const answer = await caller.run(kind, callOptions, (attempt) => wire.call(spec, message, attempt));
    return answer as MessageShape<typeof method.output>;
  };

  const stream = (method: DescMethod, requests: StreamRequests<DescMessage>, callOptions: CallOptions = {}) =>
    caller.stream(callOptions, (attempt) => wire.stream(method, messages(method, requests), attempt));

  const probe = (which: Probe, callOptions: CallOptions = {}) =>
    caller.run({ authenticated: false, repeatable: true }, callOptions, (attempt) => wire.probe(which, attempt));

  const service = <S extends Omit<DescService, "method"> & { method: object }>(description: S) =>
    serviceClient(description, call, stream);

  return Object.freeze({
    call,
    keys: service(KeyService),
    keyUse: service(KeyUseService),
    keyBatch: service(KeyBatchService),
    keyStreams: service(KeyStreamService),
    keyLife: service(KeyLifeService),
    keyTransfer: service(KeyTransferService),
    aliases: service(AliasService),
    secrets: service(SecretService),
    tokens: service(TokenService),
    seals: service(SealService),
    audit: service(AuditService),
    attachments: service(AttachmentService),
    system: service(SystemService),
    health: (callOptions?: CallOptions) => probe("health", callOptions),
    ready: (callOptions?: CallOptions) => probe("ready", callOptions),
    close: () => wire.close(),
  });
}

function createWire(options: ClientOptions): Wire {
  const { kind, url } = parseAddress(options.url);
  if (options.tls !== undefined && !/^(?:https|grpcs):$/.test(url.protocol)) {
    throw new RequestError("there are TLS options, but the address is one without TLS");
  }
  if (options.tls !== undefined && options.fetch !== undefined) {
    throw new RequestError("there are TLS options, which a fetch of your own would not heed: configure it there");
  }
  return kind === "rest"
    ? createFetchWire(url, options)
    : lazyWire(`${url.protocol}//${url.host}`, async () => (await loadRuntime()).openGrpc(url, options.tls));
}

async function* messages(method: DescMethod, requests: StreamRequests<DescMessage>): AsyncGenerator<Message> {
  for await (const request of requests) {
    yield create(method.input, request as MessageInitShape<DescMessage>);
  }
}

function serviceClient<S extends Omit<DescService, "method"> & { method: object }>(
  service: S,
  call: BunkmsClient["call"],
  stream: (method: DescMethod, requests: StreamRequests<DescMessage>, options?: CallOptions) => AsyncGenerator<Message>,
): ServiceClient<S> {
  const functions = service.methods.map((method) => [
    method.localName,
    method.methodKind === "unary"
      ? (request: Record<string, unknown>, options?: CallOptions) => call(method as DescMethodUnary, request, options)
      : (requests: StreamRequests<DescMessage>, options?: CallOptions) => stream(method, requests, options),
  ]);
  return Object.freeze(Object.fromEntries(functions)) as ServiceClient<S>;
}
