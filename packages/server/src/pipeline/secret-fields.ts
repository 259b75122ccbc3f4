import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { wipe } from "../crypto/kdf.ts";

/** Where a kind of message has secret bytes: in its own fields, and in those of the messages in its lists. */
interface SecretPlaces {
  readonly own: readonly DescField[];
  readonly lists: readonly { readonly field: DescField; readonly message: DescMessage }[];
}

const SECRET_PLACES = new WeakMap<DescMessage, SecretPlaces>();
const MAY_HOLD_SECRETS = new WeakMap<DescMessage, boolean>();

/**
 * Zeroes the secret bytes of a message that has done its work: the fields that the contract marks with `debug_redact`.
 * Texts cannot be zeroed; what that leaves in memory is in the threat model.
 */
export function wipeSecrets(schema: DescMessage, message: Message): void {
  const { own, lists } = secretPlaces(schema);
  const values = message as unknown as Record<string, unknown>;
  for (const field of own) {
    const holder = field.oneof === undefined ? undefined : (values[field.oneof.localName] as { value?: unknown });
    const value = holder === undefined ? values[field.localName] : holder.value;
    if (value instanceof Uint8Array) {
      wipe(value);
    }
  }
  for (const { field, message: inner } of lists) {
    for (const item of values[field.localName] as readonly Message[]) {
      wipeSecrets(inner, item);
    }
  }
}

/** Whether such a message may hold a secret, in bytes, text or a message within it. */
export function mayHoldSecrets(schema: DescMessage): boolean {
  let known = MAY_HOLD_SECRETS.get(schema);
  if (known === undefined) {
    known = holdsSecrets(schema, []);
    MAY_HOLD_SECRETS.set(schema, known);
  }
  return known;
}

/** @param outer Those that it is within, which are looked at already. */
function holdsSecrets(schema: DescMessage, outer: readonly DescMessage[]): boolean {
  return schema.fields.some(({ proto, message }) => {
    const isWithin = message !== undefined && !outer.includes(message) && message !== schema;
    return proto.options?.debugRedact === true || (isWithin && holdsSecrets(message, [...outer, schema]));
  });
}

function secretPlaces(schema: DescMessage): SecretPlaces {
  let places = SECRET_PLACES.get(schema);
  if (places === undefined) {
    places = {
      own: schema.fields.filter(
        (field) =>
          field.fieldKind === "scalar" && field.scalar === ScalarType.BYTES && field.proto.options?.debugRedact,
      ),
      lists: schema.fields.flatMap((field) =>
        field.fieldKind === "list" && field.listKind === "message" && hasSecrets(field.message)
          ? [{ field, message: field.message }]
          : [],
      ),
    };
    SECRET_PLACES.set(schema, places);
  }
  return places;
}

function hasSecrets(schema: DescMessage): boolean {
  const { own, lists } = secretPlaces(schema);
  return own.length > 0 || lists.length > 0;
}
