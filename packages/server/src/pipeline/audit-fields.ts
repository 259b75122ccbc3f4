import type { KeyObject } from "node:crypto";
import type { DescField, Message } from "@bufbuild/protobuf";
import type { AuditField, OperationSpec } from "@bunkms/contract";
import { hashedField } from "../audit/hashed-field.ts";

type Values = Readonly<Record<string, unknown>>;

/**
 * The recorded fields of a message: those that the contract lists, in clear or as HMAC-SHA-256. Fields at their
 * default value are left out. The HMAC covers the field's name too, so that equal values of different fields differ.
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
    if (isDefault(value)) {
      continue;
    }
    recorded[field.name] = hashed ? hashedValue(field, value, key) : String(value);
  }
  return recorded;
}

/** The resource of a request, by the contract's template: for example `key/invoices`. */
export function resourceOf(spec: OperationSpec, message: Message): string {
  let parts = RESOURCES.get(spec);
  if (parts === undefined) {
    parts = readResource(spec);
    RESOURCES.set(spec, parts);
  }
  let resource = "";
  for (const part of parts) {
    resource += typeof part === "string" ? part : String(fieldValue(message as unknown as Values, part));
  }
  return resource;
}

const RESOURCES = new WeakMap<OperationSpec, readonly (string | DescField)[]>();

/** A template's parts: what it says in words, and fields of the request. */
function readResource({ resource, method }: OperationSpec): readonly (string | DescField)[] {
  return resource
    .split(/\{([^}]*)\}/)
    .map((part, i) => (i % 2 === 0 ? part : (method.input.fields.find(({ name }) => name === part) as DescField)));
}

function hashedValue(field: DescField, value: unknown, key: KeyObject | undefined): string {
  if (key === undefined) {
    throw new Error(`${field}: is to be hashed, and there is no key`);
  }
  return hashedField(key, field.name, value instanceof Uint8Array ? value : String(value));
}

function isDefault(value: unknown): boolean {
  return (
    value === undefined ||
    value === "" ||
    value === 0 ||
    value === false ||
    (value instanceof Uint8Array && value.length === 0)
  );
}

function fieldValue(values: Values, field: DescField): unknown {
  if (field.oneof === undefined) {
    return values[field.localName];
  }
  const oneof = values[field.oneof.localName] as { readonly case?: string; readonly value?: unknown };
  return oneof.case === field.localName ? oneof.value : undefined;
}
