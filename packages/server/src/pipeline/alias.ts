import type { DescField, Message } from "@bufbuild/protobuf";
import type { OperationSpec } from "@bunkms/contract";

/** Finds the name of the key that an alias leads to; undefined: there is no such alias. */
export type FindKeyName = (alias: string) => Promise<string | undefined>;

/** What stands before an alias where a key's name is expected. No name begins so. */
const MARK = "@";
const KEY_RESOURCE = /^key\/\{([^}]+)\}$/;

/**
 * Puts the key's own name in the place of an alias, before anybody authorises or records: policy, log and handler see
 * one name of one key. An alias that leads nowhere stays, and is no name of any key.
 * @returns The alias, if the request had one that leads to a key.
 */
export async function resolveAlias(
  spec: OperationSpec,
  request: Message,
  findKeyName: FindKeyName,
): Promise<string | undefined> {
  const field = keyField(spec);
  if (field === undefined) {
    return undefined;
  }
  const values = request as unknown as Record<string, unknown>;
  const value = values[field.localName];
  if (typeof value !== "string" || !value.startsWith(MARK)) {
    return undefined;
  }
  const name = await findKeyName(value.slice(MARK.length));
  if (name === undefined) {
    return undefined;
  }
  values[field.localName] = name;
  return value;
}

/** The field that names the key which an operation is about. */
function keyField({ resource, method }: OperationSpec): DescField | undefined {
  const name = KEY_RESOURCE.exec(resource)?.[1];
  return method.input.fields.find((field) => field.name === name);
}
