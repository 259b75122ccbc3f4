import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { wipe } from "../crypto/kdf.ts";

/** The secret bytes of a kind of message: its fields that the contract marks with `debug_redact`. */
const SECRET_FIELDS = new WeakMap<DescMessage, readonly DescField[]>();

/**
 * Zeroes the secret bytes of a message that has done its work. Texts cannot be zeroed; what that leaves in memory is
 * in the threat model.
 */
export function wipeSecrets(schema: DescMessage, message: Message): void {
  for (const field of secretFields(schema)) {
    const values = message as unknown as Record<string, unknown>;
    const holder = field.oneof === undefined ? undefined : (values[field.oneof.localName] as { value?: unknown });
    const value = holder === undefined ? values[field.localName] : holder.value;
    if (value instanceof Uint8Array) {
      wipe(value);
    }
  }
}

function secretFields(schema: DescMessage): readonly DescField[] {
  let fields = SECRET_FIELDS.get(schema);
  if (fields === undefined) {
    fields = schema.fields.filter(
      (field) => field.fieldKind === "scalar" && field.scalar === ScalarType.BYTES && field.proto.options?.debugRedact,
    );
    SECRET_FIELDS.set(schema, fields);
  }
  return fields;
}
