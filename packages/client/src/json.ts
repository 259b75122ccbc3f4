import {
  createRegistry,
  type DescMessage,
  fromJson,
  type JsonValue,
  type Message,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import { isFieldError } from "@bufbuild/protobuf/reflect";
import { CONTRACT_FILES } from "@bunkms/contract";
import { RequestError } from "./errors.ts";

const registry = createRegistry(...CONTRACT_FILES);

/**
 * A message of the contract as the API's JSON: proto field names, bytes in base64, RFC 3339 times, and fields that
 * have their default value present.
 */
export function messageToJson(message: Message): JsonValue {
  const schema = registry.getMessage(message.$typeName);
  if (schema === undefined) {
    throw new TypeError(`${message.$typeName} is not a message of this contract`);
  }
  return toJson(schema, message, { useProtoFieldName: true, alwaysEmitImplicit: true });
}

/**
 * Reads a request from the API's JSON, strictly.
 * @throws RequestError that names the field, never its value.
 */
export function messageFromJson<D extends DescMessage>(schema: D, json: JsonValue): MessageShape<D> {
  refuseUnknown(schema, json);
  try {
    return fromJson(schema, json);
  } catch (error) {
    // The parser's own message quotes the value; only the field's name goes on.
    const cause = error instanceof Error ? error.cause : undefined;
    const where = isFieldError(cause) ? `: its field ${cause.field().name} is not valid` : "";
    throw new RequestError(`this is not a ${schema.typeName} in JSON${where}`);
  }
}

/** The parser refuses unknown fields, too, but does not say which, and in what message. */
function refuseUnknown(schema: DescMessage, json: JsonValue | undefined): void {
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return;
  }
  for (const [key, value] of Object.entries(json)) {
    const field = schema.fields.find(({ name, jsonName }) => name === key || jsonName === key);
    if (field === undefined) {
      throw new RequestError(`${schema.typeName} has no field ${JSON.stringify(key)}`);
    }
    if (field.message !== undefined && field.fieldKind !== "map") {
      for (const one of Array.isArray(value) ? value : [value]) {
        refuseUnknown(field.message, one);
      }
    }
  }
}
