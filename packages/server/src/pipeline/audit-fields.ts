import type { KeyObject } from "node:crypto";
import type { DescField, Message } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import type { AuditField, OperationSpec } from "@bunkms/contract";
import { hashedField } from "../audit/hashed-field.ts";

type Values = Readonly<Record<string, unknown>>;

/**
 * The recorded fields of a message: those that the contract lists, in clear or as HMAC-SHA-256. Fields at their
 * default value are left out, but for optional ones that were given: a rotation that is turned off is a 0. The HMAC
 * covers the field's name too, so that equal values of different fields differ.
 * @param key May be absent where the contract hashes nothing: in operations that need no open vault.
 */
export function auditFields(
  fields: readonly AuditField[],
  message: Message,
  key: KeyObject | undefined,
): Record<string, string> {
  const recorded: Record<string, string> = {};
  for (const { field, hashed } of fields) {
    const value = fieldValue(message as unknown as Values, field);
    if (value === undefined || (isDefault(value) && !isOptional(field))) {
      continue;
    }
    recorded[field.name] = hashed ? hashedValue(field, value, key) : String(value);
  }
  return recorded;
}

/** The resource of a request, by the contract's template: for example `key/invoices`. */
export function resourceOf({ resourceParts }: OperationSpec, message: Message): string {
  let resource = "";
  for (const part of resourceParts) {
    resource += typeof part === "string" ? part : String(fieldValue(message as unknown as Values, part));
  }
  return resource;
}

function hashedValue(field: DescField, value: unknown, key: KeyObject | undefined): string {
  if (key === undefined) {
    throw new Error(`${field}: is to be hashed, and there is no key`);
  }
  return hashedField(key, field.name, value instanceof Uint8Array ? value : String(value));
}

/** Whether a message tells its default value from none. */
function isOptional({ oneof, presence }: DescField): boolean {
  return oneof === undefined && presence === FeatureSet_FieldPresence.EXPLICIT;
}

function isDefault(value: unknown): boolean {
  return value === "" || value === 0 || value === false || (value instanceof Uint8Array && value.length === 0);
}

function fieldValue(values: Values, field: DescField): unknown {
  if (field.oneof === undefined) {
    return values[field.localName];
  }
  const oneof = values[field.oneof.localName] as { readonly case?: string; readonly value?: unknown };
  return oneof.case === field.localName ? oneof.value : undefined;
}
