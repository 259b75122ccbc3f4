import type { OperationSpec } from "@bunkms/contract";
import type { Operation } from "./operation.ts";

/** An operation of the contract with its handler. */
export interface RegisteredOperation {
  readonly spec: OperationSpec;
  readonly handle: Operation["handle"];
}

/** Loads the module of a handler file in this folder; a test gives its own. */
export type LoadModule = (file: string) => Promise<Readonly<Record<string, unknown>>>;

const loadFromHere: LoadModule = (file) => import(new URL(file, import.meta.url).href);

/**
 * Finds the handler of each operation of the contract, by the name of its file.
 * @throws Error that names the operation whose handler is missing or is another one's; nothing starts then.
 */
export async function loadOperations(
  specs: readonly OperationSpec[],
  load: LoadModule = loadFromHere,
): Promise<ReadonlyMap<string, RegisteredOperation>> {
  const operations = await Promise.all(specs.map((spec) => loadOperation(spec, load)));
  return new Map(operations.map((operation) => [operation.spec.action, operation]));
}

async function loadOperation(spec: OperationSpec, load: LoadModule): Promise<RegisteredOperation> {
  const { method } = spec;
  const file = `./${kebabCase(method.name)}.ts`;
  let operation: Operation | undefined;
  try {
    operation = (await load(file))[method.localName] as Operation | undefined;
  } catch (cause) {
    throw new Error(`${method.parent.typeName}/${method.name} has no handler: operations/${file.slice(2)}`, { cause });
  }
  if (operation?.method !== method) {
    throw new Error(`operations/${file.slice(2)} does not export ${method.localName}, the handler of ${method.name}`);
  }
  return { spec, handle: operation.handle };
}

function kebabCase(name: string): string {
  return name.replaceAll(/(?<=[a-z0-9])[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
}
