import {
  type DescField,
  type DescMessage,
  type DescOneof,
  getOption,
  hasOption,
  type Message,
  ScalarType,
} from "@bufbuild/protobuf";
import { isReflectMessage, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import {
  BytesRulesSchema,
  type FieldRules,
  FieldRulesSchema,
  field as fieldRules,
  MapRulesSchema,
  MessageRulesSchema,
  message as messageRules,
  oneof as oneofRules,
  RepeatedRulesSchema,
  StringRulesSchema,
  UInt32RulesSchema,
} from "./gen/buf/validate/validate_pb.js";

/** A JSON Schema (draft 2020-12, as OpenAPI 3.1 has it), or a part of one. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

/** What people are told of a part of the contract: the comment that stands over it in the proto; empty for none. */
export type Comments = (of: { readonly typeName: string } | DescField | DescOneof) => string;

/** How one validation rule appears in JSON Schema. */
type RuleTable = Readonly<Record<string, (value: never) => JsonSchema>>;

/** Standard base64 with padding and zero unused bits: the one form that the server accepts (RFC 4648 section 3.5). */
const BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";
/** RFC 3339 in the form of Protobuf's JSON mapping. */
const TIMESTAMP =
  "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})$";

const base64Length = (bytes: bigint): number => 4 * Math.ceil(Number(bytes) / 3);

const STRING_RULES: RuleTable = {
  pattern: (pattern: string) => ({ pattern }),
  min_len: (length: bigint) => ({ minLength: Number(length) }),
  max_len: (length: bigint) => ({ maxLength: Number(length) }),
  // JSON Schema counts characters: this bound is right for ASCII, and the description tells the bytes.
  max_bytes: (length: bigint) => ({ maxLength: Number(length) }),
  in: (values: readonly string[]) => ({ enum: [...values] }),
};
const BYTES_RULES: RuleTable = {
  min_len: (length: bigint) => ({ minLength: base64Length(length) }),
  max_len: (length: bigint) => ({ maxLength: base64Length(length) }),
};
const UINT32_RULES: RuleTable = {
  gte: (bound: number) => ({ minimum: bound }),
  lte: (bound: number) => ({ maximum: bound }),
  in: (values: readonly number[]) => ({ enum: [...values] }),
};
const MAP_RULES: RuleTable = {
  min_pairs: (count: bigint) => ({ minProperties: Number(count) }),
  max_pairs: (count: bigint) => ({ maxProperties: Number(count) }),
  keys: (rules: FieldRules) => ({ propertyNames: ruleSchema(rules) }),
  values: (rules: FieldRules) => ({ additionalProperties: { type: "string", ...ruleSchema(rules) } }),
};
const LIST_RULES: RuleTable = {
  min_items: (count: bigint) => ({ minItems: Number(count) }),
  max_items: (count: bigint) => ({ maxItems: Number(count) }),
  items: (rules: FieldRules) => ({ items: { type: "string", ...ruleSchema(rules) } }),
};

const SCALARS: Partial<Record<ScalarType, JsonSchema>> = {
  [ScalarType.STRING]: { type: "string" },
  [ScalarType.BYTES]: { type: "string", contentEncoding: "base64", pattern: BASE64 },
  [ScalarType.BOOL]: { type: "boolean" },
  [ScalarType.UINT32]: { type: "integer", minimum: 0, maximum: 0xffffffff },
  // Protobuf's JSON mapping: 64-bit integers are decimal texts, since JSON numbers lose digits.
  [ScalarType.UINT64]: { type: "string", pattern: "^(?:0|[1-9][0-9]{0,19})$" },
};

/**
 * The schema of a request's fields that are not in the path.
 * @throws Error for a type or a validation rule that it cannot express: a description must not leave a rule out silently.
 */
export function requestSchema(message: DescMessage, inPath: ReadonlySet<string>, comments: Comments): JsonSchema {
  const fields = message.fields.filter((field) => !inPath.has(field.name));
  const combinations = [...oneofSchemas(message), ...messageRuleSchemas(message)];
  return objectSchema(message, fields, comments, fields.filter(isRequired), {
    ...(combinations.length === 0 ? {} : { allOf: combinations }),
  });
}

/** Whether a request without any of the fields that are not in the path is refused. */
export function needsFields(message: DescMessage, inPath: ReadonlySet<string>): boolean {
  return (
    message.fields.some((field) => !inPath.has(field.name) && isRequired(field)) ||
    message.oneofs.some((oneof) => hasOption(oneof, oneofRules) && getOption(oneof, oneofRules).required)
  );
}

/**
 * The schema of an answer. Fields are always there, with their zero value if need be; only `optional` fields and messages
 * may be absent.
 * @throws Error for a type that it cannot express.
 */
export function responseSchema(message: DescMessage, comments: Comments): JsonSchema {
  const present = message.fields.filter((field) => field.fieldKind !== "message" && !hasOwnPresence(field));
  return objectSchema(message, message.fields, comments, present, {});
}

/** The schema of one field with its rules and its comment. */
export function fieldSchema(field: DescField, comments: Comments): JsonSchema {
  // What stands over a oneof is about each of its fields.
  const description = [field.oneof === undefined ? "" : comments(field.oneof), comments(field)]
    .filter((text) => text !== "")
    .join(" ");
  const rules = hasOption(field, fieldRules) ? ruleSchema(getOption(field, fieldRules)) : {};
  return { ...typeSchema(field), ...rules, ...(description === "" ? {} : { description }) };
}

/** Whether a request without the field is refused, since the field's zero value breaks its own rules. */
export function isRequired(field: DescField): boolean {
  if (!hasOption(field, fieldRules) || hasOwnPresence(field)) {
    return false;
  }
  const {
    pattern,
    minLength,
    minimum,
    minItems,
    enum: allowed,
  } = ruleSchema(getOption(field, fieldRules)) as {
    readonly pattern?: string;
    readonly minLength?: number;
    readonly minimum?: number;
    readonly minItems?: number;
    readonly enum?: readonly unknown[];
  };
  return (
    (pattern !== undefined && !new RegExp(pattern).test("")) ||
    (minLength ?? 0) > 0 ||
    (minimum ?? 0) > 0 ||
    (minItems ?? 0) > 0 ||
    (allowed !== undefined && !allowed.includes("") && !allowed.includes(0))
  );
}

function objectSchema(
  message: DescMessage,
  fields: readonly DescField[],
  comments: Comments,
  required: readonly DescField[],
  more: JsonSchema,
): JsonSchema {
  const description = comments(message);
  return {
    type: "object",
    ...(description === "" ? {} : { description }),
    properties: Object.fromEntries(fields.map((field) => [field.name, fieldSchema(field, comments)])),
    ...(required.length === 0 ? {} : { required: required.map((field) => field.name) }),
    additionalProperties: false,
    ...more,
  };
}

function typeSchema(field: DescField): JsonSchema {
  switch (field.fieldKind) {
    case "scalar":
      return scalarSchema(field, field.scalar);
    case "message":
      return referenceSchema(field.message);
    case "list":
      if (field.listKind === "message") {
        return { type: "array", items: referenceSchema(field.message) };
      }
      if (field.listKind === "scalar" && field.scalar === ScalarType.STRING) {
        return { type: "array", items: { type: "string" } };
      }
      break;
    case "map":
      if (field.mapKind === "scalar" && field.scalar === ScalarType.STRING) {
        return { type: "object", additionalProperties: { type: "string" } };
      }
  }
  throw new Error(`${field}: has a type that the OpenAPI description does not know yet`);
}

function scalarSchema(field: DescField, scalar: ScalarType): JsonSchema {
  const schema = SCALARS[scalar];
  if (schema === undefined) {
    throw new Error(`${field}: has a type that the OpenAPI description does not know yet`);
  }
  return schema;
}

function referenceSchema(message: DescMessage): JsonSchema {
  return message.typeName === TimestampSchema.typeName
    ? { type: "string", format: "date-time", pattern: TIMESTAMP }
    : { $ref: `#/components/schemas/${message.name}` };
}

/** Of each oneof at most one field, or exactly one if the contract requires it. */
function oneofSchemas(message: DescMessage): readonly JsonSchema[] {
  return message.oneofs.map((oneof) => {
    const required = hasOption(oneof, oneofRules) && getOption(oneof, oneofRules).required;
    return onlyOne(
      oneof.fields.map((field) => field.name),
      required,
    );
  });
}

function messageRuleSchemas(message: DescMessage): readonly JsonSchema[] {
  if (!hasOption(message, messageRules)) {
    return [];
  }
  const rules = getOption(message, messageRules);
  refuseOthers(MessageRulesSchema, rules, ["oneof"]);
  return rules.oneof.map((rule) => onlyOne(rule.fields, rule.required));
}

function onlyOne(names: readonly string[], required: boolean): JsonSchema {
  const given = names.map((name) => ({ required: [name] }));
  return { oneOf: required ? given : [...given, { not: { anyOf: given } }] };
}

function ruleSchema(rules: FieldRules): JsonSchema {
  refuseOthers(FieldRulesSchema, rules, ["string", "bytes", "uint32", "map", "repeated"]);
  const { type } = rules;
  switch (type.case) {
    case "string":
      return apply(StringRulesSchema, type.value, STRING_RULES);
    case "bytes":
      return apply(BytesRulesSchema, type.value, BYTES_RULES);
    case "uint32":
      return apply(UInt32RulesSchema, type.value, UINT32_RULES);
    case "map":
      return apply(MapRulesSchema, type.value, MAP_RULES);
    case "repeated":
      return apply(RepeatedRulesSchema, type.value, LIST_RULES);
    default:
      return {};
  }
}

/** Translates each rule that is set. */
function apply(schema: DescMessage, rules: Message, table: RuleTable): JsonSchema {
  refuseOthers(schema, rules, Object.keys(table));
  const reflected = reflect(schema, rules);
  const parts = schema.fields
    .filter((field) => reflected.isSet(field))
    .map((field) => table[field.name]?.(plain(reflected, field) as never));
  return Object.assign({}, ...parts) as JsonSchema;
}

function plain(rules: ReflectMessage, field: DescField): unknown {
  const value: unknown = rules.get(field);
  return isReflectMessage(value) ? value.message : value;
}

function refuseOthers(schema: DescMessage, rules: Message, known: readonly string[]): void {
  const reflected = reflect(schema, rules);
  const stranger = schema.fields.find((field) => reflected.isSet(field) && !known.includes(field.name));
  if (stranger !== undefined) {
    throw new Error(`${schema.typeName}.${stranger.name}: the OpenAPI description cannot express this rule yet`);
  }
}

/** A field that tells absent from zero: `optional`, or a member of a oneof. */
function hasOwnPresence(field: DescField): boolean {
  return field.oneof !== undefined || (field.fieldKind === "scalar" && field.proto.proto3Optional);
}
