import type { DescField, DescMessage, DescService } from "@bufbuild/protobuf";
import { ERRORS, type ErrorCode } from "./errors.ts";
import { Effect, Role } from "./gen/bunkms/v1/options_pb.js";
import { RawBodySchema } from "./gen/bunkms/v1/system_pb.js";
import {
  type Comments,
  fieldSchema,
  isRequired,
  type JsonSchema,
  needsFields,
  requestSchema,
  responseSchema,
} from "./json-schema.ts";
import type { OperationSpec } from "./operations.ts";
import { REQUEST_ID_FORM } from "./request-id.ts";

/** Content types of the operations whose answer REST sends as it is (RawBody), by policy action. */
const RAW_CONTENT: Readonly<Record<string, { readonly type: string; readonly schema: JsonSchema }>> = {
  "system.metrics": { type: "text/plain; version=0.0.4; charset=utf-8", schema: { type: "string" } },
  "system.openapi": { type: "application/json", schema: { type: "object" } },
  "audit.checkpoint": { type: "text/plain; charset=utf-8", schema: { type: "string" } },
  "audit.tile": { type: "application/octet-stream", schema: { type: "string", format: "binary" } },
  "audit.bundle": { type: "application/octet-stream", schema: { type: "string", format: "binary" } },
  "keys.get_jwks": { type: "application/jwk-set+json", schema: { type: "object" } },
};

const ROLES: Readonly<Record<number, string>> = {
  [Role.ANY]: "Any valid token may call it.",
  [Role.READER]: "Needs the role `reader` or a higher one.",
  [Role.OPERATOR]: "Needs the role `operator` or a higher one.",
  [Role.ADMIN]: "Needs the role `admin` or `root`.",
  [Role.ROOT]: "Needs the role `root`.",
};

const REQUEST_ID = { $ref: "#/components/headers/RequestId" };

const ERROR_CODES = Object.keys(ERRORS) as ErrorCode[];

/**
 * Describes the REST interface as OpenAPI 3.1. The same contract gives the same document, member for member.
 * @param version The contract's version, for `info`.
 * @throws Error for what the description cannot express.
 */
export function buildOpenApi(specs: readonly OperationSpec[], comments: Comments, version: string): JsonSchema {
  const schemas = new Map<string, JsonSchema>();
  const paths: Record<string, Record<string, unknown>> = {};
  for (const spec of specs) {
    const path = spec.route.template.replaceAll("=**}", "}");
    const { method, otherMethod } = spec.route;
    const description = describeOperation(spec, comments, schemas);
    paths[path] = { ...paths[path], [method.toLowerCase()]: description };
    if (otherMethod !== undefined) {
      const operationId = `${spec.method.localName}By${otherMethod}`;
      paths[path] = { ...paths[path], [otherMethod.toLowerCase()]: { ...description, operationId } };
    }
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "BunKMS",
      summary: "Keys, encryption, signatures and secrets",
      version,
      license: { name: "Apache License 2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    security: [{ bearer: [] }],
    tags: [...new Set(specs.map(({ method }) => method.parent))].map((service) => ({
      name: tagName(service),
      description: comments(service),
    })),
    paths: { ...paths, ...probePaths() },
    components: {
      securitySchemes: { bearer: { type: "http", scheme: "bearer", description: "A token that begins with `bkms_`." } },
      schemas: { Error: errorSchema(), ...Object.fromEntries([...schemas].sort(([a], [b]) => (a < b ? -1 : 1))) },
      parameters: {
        IdempotencyKey: {
          name: "Idempotency-Key",
          in: "header",
          description:
            "Names the call, so that it can be repeated: within 24 hours the same call of the same caller is carried out once, and answered the same.",
          schema: { type: "string", pattern: "^[A-Za-z0-9_-]{1,64}$" },
        },
      },
      responses: errorResponses(),
      headers: {
        RequestId: {
          description: "The request's own X-Request-Id if it was a plain one, else a new one. Also in both logs.",
          required: true,
          schema: { type: "string", pattern: REQUEST_ID_FORM.source },
        },
        Challenge: { description: "RFC 6750.", required: true, schema: { type: "string", const: "Bearer" } },
        RetryAfter: { description: "Seconds.", required: true, schema: { type: "integer", minimum: 0 } },
      },
    },
  };
}

function describeOperation(spec: OperationSpec, comments: Comments, schemas: Map<string, JsonSchema>): JsonSchema {
  const { method, route } = spec;
  const [summary = "", ...rest] = comments({ typeName: `${method.parent.typeName}.${method.name}` }).split(
    /(?<=\.)\s+/,
  );
  return {
    operationId: method.localName,
    tags: [tagName(method.parent)],
    summary,
    description: [...rest, spec.anonymous ? "Needs no token." : ROLES[spec.leastRole]].join(" "),
    ...(spec.anonymous ? { security: [] } : {}),
    "x-bunkms-action": spec.action,
    ...describeParameters(spec, comments),
    ...(route.hasBody ? { requestBody: describeBody(spec, comments, schemas) } : {}),
    responses: {
      [route.status]: describeAnswer(spec, comments, schemas),
      ...Object.fromEntries(errorStatuses(spec).map((status) => [status, errorReference(status)])),
    },
  };
}

function describeParameters(spec: OperationSpec, comments: Comments): JsonSchema {
  const inPath = pathFields(spec);
  const inQuery = spec.route.hasBody ? [] : spec.method.input.fields.filter((field) => !inPath.includes(field));
  const parameters = [
    ...(spec.effect === Effect.MUTATE && !spec.anonymous ? [{ $ref: "#/components/parameters/IdempotencyKey" }] : []),
    ...inPath.map((field) => describeParameter(field, "path", comments)),
    ...inQuery.map((field) => describeParameter(field, "query", comments)),
  ];
  return parameters.length === 0 ? {} : { parameters };
}

function describeParameter(field: DescField, place: "path" | "query", comments: Comments): JsonSchema {
  const { description, ...schema } = fieldSchema(field, comments);
  return {
    name: field.name,
    in: place,
    ...(description === undefined ? {} : { description }),
    ...(place === "path" || isRequired(field) ? { required: true } : {}),
    schema,
  };
}

function describeBody(spec: OperationSpec, comments: Comments, schemas: Map<string, JsonSchema>): JsonSchema {
  const { input } = spec.method;
  const inPath = new Set(pathFields(spec).map((field) => field.name));
  const schema = addRequest(input, inPath, comments, schemas);
  return { required: needsFields(input, inPath), content: { "application/json": { schema } } };
}

function describeAnswer(spec: OperationSpec, comments: Comments, schemas: Map<string, JsonSchema>): JsonSchema {
  const { output } = spec.method;
  const description = comments(output) || "Success.";
  if (output.typeName !== RawBodySchema.typeName) {
    return success(description, "application/json", addAnswer(output, comments, schemas));
  }
  const raw = RAW_CONTENT[spec.action];
  if (raw === undefined) {
    throw new Error(`${spec.action}: answers with a raw body, but openapi.ts does not know its content type`);
  }
  return success("Success.", raw.type, raw.schema);
}

function success(description: string, type: string, schema: JsonSchema): JsonSchema {
  return { description, headers: { "X-Request-Id": REQUEST_ID }, content: { [type]: { schema } } };
}

/** Adds a request and the messages in its fields. */
function addRequest(
  message: DescMessage,
  inPath: ReadonlySet<string>,
  comments: Comments,
  schemas: Map<string, JsonSchema>,
): JsonSchema {
  for (const inner of innerMessages(message)) {
    addRequest(inner, new Set(), comments, schemas);
  }
  return addSchema(schemas, message.name, requestSchema(message, inPath, comments));
}

/** The contract's own messages in a message's fields. */
function innerMessages(message: DescMessage): readonly DescMessage[] {
  return message.fields.flatMap(({ message: inner }) =>
    inner !== undefined && inner.file.proto.package === message.file.proto.package ? [inner] : [],
  );
}

/** Adds a message and those in its fields. */
function addAnswer(message: DescMessage, comments: Comments, schemas: Map<string, JsonSchema>): JsonSchema {
  for (const inner of innerMessages(message)) {
    addAnswer(inner, comments, schemas);
  }
  return addSchema(schemas, message.name, responseSchema(message, comments));
}

function addSchema(schemas: Map<string, JsonSchema>, name: string, schema: JsonSchema): JsonSchema {
  const present = schemas.get(name);
  if (present !== undefined && JSON.stringify(present) !== JSON.stringify(schema)) {
    throw new Error(`${name}: is used in two ways that need two schemas`);
  }
  schemas.set(name, schema);
  return { $ref: `#/components/schemas/${name}` };
}

/** The statuses of errors that the operation may answer with. */
function errorStatuses({ route, effect, leastRole, anonymous }: OperationSpec): readonly number[] {
  return [
    400,
    ...(anonymous ? [] : [401]),
    ...(leastRole === Role.ANY ? [] : [403]),
    ...(route.segments.some(({ kind }) => kind !== "text") ? [404] : []),
    // A use answers so when the state of its key forbids it.
    ...(effect === Effect.READ ? [] : [409]),
    // For a head (path, query and headers) that is too large, also where there is no body.
    413,
    ...(route.hasBody ? [415] : []),
    ...(effect === Effect.MUTATE && !anonymous ? [422] : []),
    429,
    500,
    503,
  ];
}

function errorReference(status: number): JsonSchema {
  return { $ref: `#/components/responses/Error${status}` };
}

/** One response for each HTTP status in the table of errors. */
function errorResponses(): JsonSchema {
  const statuses = [...new Set(ERROR_CODES.map((code) => ERRORS[code].http))].sort((a, b) => a - b);
  return Object.fromEntries(statuses.map((status) => [`Error${status}`, errorResponse(status)]));
}

function errorResponse(status: number): JsonSchema {
  const codes = ERROR_CODES.filter((code) => ERRORS[code].http === status);
  const lines = codes.map(
    (code) => `- \`${code}\`: ${ERRORS[code].text}${ERRORS[code].retryable ? " (may succeed later)" : ""}`,
  );
  return {
    description: lines.join("\n"),
    headers: {
      "X-Request-Id": REQUEST_ID,
      ...(status === 401 ? { "WWW-Authenticate": { $ref: "#/components/headers/Challenge" } } : {}),
      ...(codes.every((code) => ERRORS[code].retryable)
        ? { "Retry-After": { $ref: "#/components/headers/RetryAfter" } }
        : {}),
    },
    content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
  };
}

function errorSchema(): JsonSchema {
  return {
    type: "object",
    properties: {
      error: { type: "string", description: "For people; may change." },
      code: { type: "string", enum: ERROR_CODES, description: "For programs; stable." },
      request_id: { type: "string", description: "Also in the server's log and in the audit log." },
      errors: {
        type: "array",
        items: { type: "string" },
        description: "Under `/v1/sys`: the error again, as Vault has it.",
      },
    },
    required: ["error", "code", "request_id"],
    additionalProperties: false,
  };
}

/** What is open to all: whether the server lives, and whether it can work. */
function probePaths(): JsonSchema {
  const answer = (status: string): JsonSchema =>
    success("Success.", "application/json", {
      type: "object",
      properties: { status: { type: "string", const: status } },
      required: ["status"],
      additionalProperties: false,
    });
  const probe = (operationId: string, summary: string, responses: JsonSchema): JsonSchema => ({
    get: { operationId, tags: ["Probes"], summary, security: [], responses },
  });
  return {
    "/health": probe("health", "Whether the process lives.", { 200: answer("ok") }),
    "/v1/sys/health": probe("sysHealth", "The vault's state by status, with the fields of Vault's API.", {
      200: sysHealth("Unsealed."),
      501: sysHealth("Not initialised."),
      503: sysHealth("Sealed, or shutting down."),
    }),
    "/ready": probe("ready", "Whether the vault is unsealed and able to write.", {
      200: answer("ready"),
      503: errorReference(503),
    }),
  };
}

function sysHealth(description: string): JsonSchema {
  const text = { type: "string" };
  const properties = {
    initialized: { type: "boolean" },
    sealed: { type: "boolean" },
    standby: { type: "boolean" },
    performance_standby: { type: "boolean" },
    replication_performance_mode: text,
    replication_dr_mode: text,
    server_time_utc: { type: "integer" },
    version: text,
    cluster_name: text,
    cluster_id: text,
    state: text,
    failing_seals: { type: "array", items: text },
  };
  return success(description, "application/json", {
    type: "object",
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  });
}

function pathFields({ route }: OperationSpec): readonly DescField[] {
  return route.segments.flatMap((segment) => (segment.kind === "text" ? [] : [segment.field]));
}

/** `KeyService` is shown as `Key`. */
function tagName({ name }: DescService): string {
  return name.replace(/Service$/, "");
}
