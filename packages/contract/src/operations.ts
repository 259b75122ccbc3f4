import {
  type DescField,
  type DescMessage,
  type DescMethod,
  getOption,
  hasOption,
  ScalarType,
} from "@bufbuild/protobuf";
import { file_bunkms_v1_aliases } from "./gen/bunkms/v1/aliases_pb.js";
import { file_bunkms_v1_attachments } from "./gen/bunkms/v1/attachments_pb.js";
import { file_bunkms_v1_audit } from "./gen/bunkms/v1/audit_pb.js";
import { file_bunkms_v1_key_batch } from "./gen/bunkms/v1/key_batch_pb.js";
import { file_bunkms_v1_key_life } from "./gen/bunkms/v1/key_life_pb.js";
import { file_bunkms_v1_key_transfer } from "./gen/bunkms/v1/key_transfer_pb.js";
import { file_bunkms_v1_key_use } from "./gen/bunkms/v1/key_use_pb.js";
import { file_bunkms_v1_keys } from "./gen/bunkms/v1/keys_pb.js";
import { AuditClass, audit, Effect, operation, Role } from "./gen/bunkms/v1/options_pb.js";
import { file_bunkms_v1_seals } from "./gen/bunkms/v1/seals_pb.js";
import { file_bunkms_v1_secrets } from "./gen/bunkms/v1/secrets_pb.js";
import { file_bunkms_v1_system } from "./gen/bunkms/v1/system_pb.js";
import { file_bunkms_v1_tokens } from "./gen/bunkms/v1/tokens_pb.js";
import { http } from "./gen/google/api/annotations_pb.js";
import type { HttpRule } from "./gen/google/api/http_pb.js";
import { maxMembers } from "./members.ts";

/** The files of the contract, in the order in which people should read them. */
export const CONTRACT_FILES = Object.freeze([
  file_bunkms_v1_keys,
  file_bunkms_v1_key_use,
  file_bunkms_v1_key_batch,
  file_bunkms_v1_key_life,
  file_bunkms_v1_key_transfer,
  file_bunkms_v1_aliases,
  file_bunkms_v1_secrets,
  file_bunkms_v1_tokens,
  file_bunkms_v1_seals,
  file_bunkms_v1_audit,
  file_bunkms_v1_attachments,
  file_bunkms_v1_system,
]);

/** One segment of an HTTP path template: fixed text, one variable segment, or all that remains. */
export type PathSegment =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "one" | "rest"; readonly field: DescField };

type HttpMethod = "GET" | "POST" | "PUT" | "DELETE" | "PATCH";

/** How an operation appears in HTTP (google.api.http). */
export interface HttpRoute {
  readonly method: HttpMethod;
  /** Another method that does the same, for clients of another API. */
  readonly otherMethod?: HttpMethod;
  readonly template: string;
  readonly segments: readonly PathSegment[];
  /** Whether the fields that are not in the path come as a JSON body; else as query parameters. */
  readonly hasBody: boolean;
  /** Status of a success. */
  readonly status: number;
}

/** A field that the audit log records, and how. */
export interface AuditField {
  readonly field: DescField;
  readonly hashed: boolean;
}

/** All that the contract says of one operation. */
export interface OperationSpec {
  readonly method: DescMethod;
  /** Policy action, `<noun>.<verb>`. */
  readonly action: string;
  /** Resource template, for example `key/{name}`; empty for none. */
  readonly resource: string;
  /** The same in its parts: fixed text, and fields of the request. */
  readonly resourceParts: readonly (string | DescField)[];
  readonly effect: Effect;
  readonly leastRole: Role;
  /** Whether it needs no token and no open vault. */
  readonly anonymous: boolean;
  /** Whether its audit entries say `critical`. */
  readonly critical: boolean;
  readonly maxRequestBytes: number;
  /** Most members in all objects, lists and maps of a request. */
  readonly maxMembers: number;
  readonly route: HttpRoute;
  readonly auditRequest: readonly AuditField[];
  readonly auditResponse: readonly AuditField[];
}

/** A stream whose messages are calls of an operation, one after the other. */
export interface StreamSpec {
  readonly method: DescMethod;
  readonly operation: OperationSpec;
}

const DEFAULT_MAX_REQUEST_BYTES = 64 * 1024;
const HTTP_METHODS = ["get", "post", "put", "delete", "patch"] as const;

/**
 * Reads the operations out of compiled descriptors.
 * @throws Error that names the method or field which lacks what every operation must say of itself; nothing starts then.
 */
export function readOperations(methods: Iterable<DescMethod> = contractMethods()): readonly OperationSpec[] {
  const specs: OperationSpec[] = [];
  for (const method of methods) {
    specs.push(readOperation(method));
  }
  refuseTwins(specs, "action", (spec) => spec.action);
  refuseTwins(specs, "route", (spec) => `${spec.route.method} ${spec.route.template}`);
  return Object.freeze(specs);
}

/**
 * Finds the contract's streams. Each carries the messages of one operation, which says all there is to say of it.
 * @throws Error that names a stream whose messages are no operation's.
 */
export function readStreams(operations: readonly OperationSpec[]): readonly StreamSpec[] {
  const streams = [...allMethods()].filter((method) => method.methodKind === "bidi_streaming");
  return streams.map((method) => {
    const operation = operations.find(
      ({ method: { input, output } }) => input === method.input && output === method.output,
    );
    if (operation === undefined) {
      throw new Error(`${method.parent.typeName}/${method.name}: no operation has these messages`);
    }
    return { method, operation };
  });
}

/** All methods that are no streams in both directions: what is neither is refused as an operation. */
function* contractMethods(): Iterable<DescMethod> {
  for (const method of allMethods()) {
    if (method.methodKind !== "bidi_streaming") {
      yield method;
    }
  }
}

function* allMethods(): Iterable<DescMethod> {
  for (const file of CONTRACT_FILES) {
    for (const service of file.services) {
      yield* service.methods;
    }
  }
}

function readOperation(method: DescMethod): OperationSpec {
  const where = `${method.parent.typeName}/${method.name}`;
  if (method.methodKind !== "unary") {
    throw new Error(`${where}: only unary methods are operations`);
  }
  if (!hasOption(method, operation)) {
    throw new Error(`${where}: has no (bunkms.v1.operation) option`);
  }
  const option = getOption(method, operation);
  if (!/^[a-z_]+\.[a-z_]+$/.test(option.action)) {
    throw new Error(`${where}: its policy action must be <noun>.<verb>`);
  }
  if (option.effect === Effect.UNSPECIFIED || option.leastRole === Role.UNSPECIFIED) {
    throw new Error(`${where}: has no effect or no least role`);
  }
  const auditRequest = readAuditFields(method.input);
  const auditResponse = readAuditFields(method.output);
  if (option.anonymous && [...auditRequest, ...auditResponse].some(({ hashed }) => hashed)) {
    throw new Error(`${where}: an anonymous operation has no key to hash fields with`);
  }
  return Object.freeze({
    method,
    action: option.action,
    resource: option.resource,
    resourceParts: readResource(option.resource, method.input, where),
    effect: option.effect,
    leastRole: option.leastRole,
    anonymous: option.anonymous,
    critical: option.critical,
    maxRequestBytes: option.maxRequestBytes || DEFAULT_MAX_REQUEST_BYTES,
    maxMembers: maxMembers(method.input),
    route: readRoute(method, where, option.httpStatus || 200),
    auditRequest,
    auditResponse,
  });
}

function readResource(template: string, input: DescMessage, where: string): readonly (string | DescField)[] {
  // What is split off by a pattern with a group: text and name in turns.
  return template.split(/\{([^}]*)\}/).map((part, index) => {
    if (index % 2 === 0) {
      return part;
    }
    const field = input.fields.find((candidate) => candidate.name === part);
    if (field?.scalar === undefined) {
      throw new Error(`${where}: its resource names the field ${part}, which the request lacks`);
    }
    return field;
  });
}

function readRoute(method: DescMethod, where: string, status: number): HttpRoute {
  if (!hasOption(method, http)) {
    throw new Error(`${where}: has no google.api.http option`);
  }
  const rule = getOption(method, http);
  const verb = readVerb(rule);
  const others = rule.additionalBindings;
  const other = others[0] && readVerb(others[0]);
  if (
    verb === undefined ||
    others.length > 1 ||
    others.some(({ pattern, body }) => pattern.value !== rule.pattern.value || body !== rule.body) ||
    (others.length === 1 && other === undefined)
  ) {
    throw new Error(`${where}: its google.api.http option is of a form that is not supported`);
  }
  const template = rule.pattern.value as string;
  return Object.freeze({
    method: verb,
    ...(other === undefined ? {} : { otherMethod: other }),
    template,
    segments: readTemplate(template, method.input, where),
    hasBody: rule.body === "*",
    status,
  });
}

function readVerb({ pattern, body }: HttpRule): HttpMethod | undefined {
  const verb = HTTP_METHODS.find((candidate) => candidate === pattern.case);
  return body === "" || body === "*" ? (verb?.toUpperCase() as HttpMethod | undefined) : undefined;
}

function readTemplate(template: string, input: DescMessage, where: string): readonly PathSegment[] {
  return template
    .split("/")
    .slice(1)
    .map((part, index, parts): PathSegment => {
      const variable = /^\{([a-z_0-9]+)(=\*\*)?\}$/.exec(part);
      if (variable === null) {
        return { kind: "text", text: part };
      }
      const field = input.fields.find((candidate) => candidate.name === variable[1]);
      if (field === undefined) {
        throw new Error(`${where}: its path names the field ${variable[1]}, which the request lacks`);
      }
      const rest = variable[2] !== undefined;
      if (rest && index !== parts.length - 1) {
        throw new Error(`${where}: ** must be the last segment of the path`);
      }
      return { kind: rest ? "rest" : "one", field };
    });
}

function readAuditFields(message: DescMessage): readonly AuditField[] {
  const fields: AuditField[] = [];
  for (const field of message.fields) {
    const option = hasOption(field, audit) ? getOption(field, audit) : AuditClass.UNSPECIFIED;
    if (option === AuditClass.UNSPECIFIED) {
      throw new Error(`${message.typeName}.${field.name}: has no audit class`);
    }
    if (option === AuditClass.OMIT) {
      continue;
    }
    if (field.fieldKind !== "scalar" || (option === AuditClass.CLEAR && field.scalar === ScalarType.BYTES)) {
      throw new Error(`${message.typeName}.${field.name}: only scalars are recorded, and bytes never in clear`);
    }
    fields.push({ field, hashed: option === AuditClass.HMAC });
  }
  return fields;
}

function refuseTwins(specs: readonly OperationSpec[], what: string, key: (spec: OperationSpec) => string): void {
  const seen = new Map<string, OperationSpec>();
  for (const spec of specs) {
    const twin = seen.get(key(spec));
    if (twin !== undefined) {
      throw new Error(`${twin.method.name} and ${spec.method.name} have the same ${what}: ${key(spec)}`);
    }
    seen.set(key(spec), spec);
  }
}
