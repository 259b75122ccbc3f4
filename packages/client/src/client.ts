import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodUnary,
  type DescService,
  type JsonValue,
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
  KeyTransferService,
  KeyUseService,
  SealService,
  SecretService,
  SystemService,
  TokenService,
} from "@bunkms/contract";
import { type Answer, decodeAnswer, readJson } from "./answer-decoding.ts";
import { findRoute } from "./operation-lookup.ts";
import { encodeRequest } from "./request-encoding.ts";
import { type CallOptions, createTransport, type TransportOptions } from "./transport.ts";

/** A contract's service as functions: request in, answer out. */
export type ServiceClient<S extends Omit<DescService, "method"> & { method: object }> = {
  readonly [K in keyof S["method"]]: S["method"][K] extends DescMethodUnary<infer I, infer O>
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : never;
};

/** What a health check answered. */
export interface ProbeResult {
  /** Whether the answer was a success. */
  readonly ok: boolean;
  readonly httpStatus: number;
  /** The answer's JSON, or null. */
  readonly body: JsonValue;
}

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
}

/**
 * Makes a client. Nothing is sent until the first call.
 * @throws RequestError when the address is not usable.
 */
export function createClient(options: TransportOptions): BunkmsClient {
  const send = createTransport(options);

  const call: BunkmsClient["call"] = async (method, request, callOptions) => {
    const route = findRoute(method as DescMethod);
    // The generic descriptor type hides that init shape and descriptor belong together.
    const message = create(method.input as DescMessage, request as MessageInitShape<DescMessage>);
    const encoded = encodeRequest(route, method.input, message);
    const answer = await send({ method: route.method, ...encoded, authenticated: true }, callOptions);
    return decodeAnswer(method.output, answer) as MessageShape<typeof method.output>;
  };

  async function probe(path: string, callOptions: CallOptions | undefined): Promise<ProbeResult> {
    const answer = await send({ method: "GET", path, authenticated: false }, callOptions);
    return { ok: answer.status === 200, httpStatus: answer.status, body: jsonOrNull(answer) };
  }

  return Object.freeze({
    call,
    keys: serviceClient(KeyService, call),
    keyUse: serviceClient(KeyUseService, call),
    keyBatch: serviceClient(KeyBatchService, call),
    keyLife: serviceClient(KeyLifeService, call),
    keyTransfer: serviceClient(KeyTransferService, call),
    aliases: serviceClient(AliasService, call),
    secrets: serviceClient(SecretService, call),
    tokens: serviceClient(TokenService, call),
    seals: serviceClient(SealService, call),
    audit: serviceClient(AuditService, call),
    attachments: serviceClient(AttachmentService, call),
    system: serviceClient(SystemService, call),
    health: (callOptions?: CallOptions) => probe("/health", callOptions),
    ready: (callOptions?: CallOptions) => probe("/ready", callOptions),
  });
}

function serviceClient<S extends Omit<DescService, "method"> & { method: object }>(
  service: S,
  call: BunkmsClient["call"],
): ServiceClient<S> {
  const functions = service.methods.map((method) => [
    method.localName,
    (request: Record<string, unknown>, options?: CallOptions) => call(method as DescMethodUnary, request, options),
  ]);
  return Object.freeze(Object.fromEntries(functions)) as ServiceClient<S>;
}

function jsonOrNull(answer: Answer): JsonValue {
  try {
    return readJson(answer);
  } catch {
    return null;
  }
}
