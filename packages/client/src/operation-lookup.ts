import type { DescMethod } from "@bufbuild/protobuf";
import { type OperationSpec, readOperations } from "@bunkms/contract";

/** Every operation of the contract, in the contract's order. */
export const OPERATIONS: readonly OperationSpec[] = readOperations();

const byName = new Map(OPERATIONS.map((spec) => [fullName(spec.method), spec]));

/** What the contract says of a method. @throws TypeError for a method that is not of this contract. */
export function findSpec(method: DescMethod): OperationSpec {
  const spec = byName.get(fullName(method));
  if (spec === undefined) {
    throw new TypeError(`${fullName(method)} is not an operation of this contract`);
  }
  return spec;
}

/**
 * Finds an operation by what people call it: `KeyService.CreateKey`, `bunkms.v1.KeyService/CreateKey` or `keys.create`.
 */
export function findOperation(name: string): OperationSpec | undefined {
  return OPERATIONS.find(
    (spec) =>
      name === spec.action ||
      name === fullName(spec.method) ||
      name === `${spec.method.parent.name}.${spec.method.name}`,
  );
}

function fullName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}
