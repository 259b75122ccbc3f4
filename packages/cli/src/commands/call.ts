import type { DescMethodUnary } from "@bufbuild/protobuf";
import { findOperation, messageFromJson, messageToJson, OPERATIONS, type RawBody } from "@bunkms/client";
import { defineCommand, option } from "../command.ts";
import { Failure, usage } from "../failure.ts";
import { readInput } from "../inputs.ts";
import type { Io } from "../io.ts";
import { printJson, printTable, writeBytes } from "../output.ts";

const REQUEST_LIMIT = 1024 * 1024;

/** `bunkms call` */
export const callCommand = defineCommand<{ readonly dataFile?: string }>({
  usage: "call [operation]",
  summary: "Call any operation with a request in JSON",
  details:
    "The operation is named by method (KeyService.GetKey) or by policy action (keys.get). Without one, lists them all.\n" +
    "The request comes from standard input or --data-file, with the field names of the contract; on a terminal, and\n" +
    "from an empty input, it is {}. The answer is printed as JSON.",
  options: [option("--data-file <file>", "Read the request from this file, not from standard input")],
  examples: [
    "bunkms call",
    'echo \'{"name":"invoices"}\' | bunkms call KeyService.GetKey',
    "bunkms call tokens.get_self < /dev/null",
  ],
  async run({ args, io, options, connect }) {
    const name = args[0];
    if (name === undefined) {
      listOperations(io, options.json ?? false);
      return 0;
    }
    const operation = findOperation(name);
    if (operation === undefined) {
      throw new Failure(4, `there is no operation ${name}`, 'Operations are listed by "bunkms call".');
    }
    const method = operation.method as DescMethodUnary;
    const request = messageFromJson(method.input, await readRequest(io, options.dataFile));
    const answer = await (await connect()).call(method, request as unknown as Record<string, unknown>);
    if (answer.$typeName === "bunkms.v1.RawBody" && !options.json) {
      await writeBytes(io, (answer as RawBody).data, undefined);
    } else {
      printJson(io, messageToJson(answer));
    }
    return 0;
  },
});

function listOperations(io: Io, json: boolean): void {
  const rows = OPERATIONS.map(({ method, action, route }) => [
    `${method.parent.name}.${method.name}`,
    action,
    `${route.method} ${route.template}`,
  ]);
  if (json) {
    printJson(
      io,
      rows.map(([method, action, route]) => ({ method, action, route })),
    );
  } else {
    printTable(io, ["METHOD", "ACTION", "ROUTE"], rows);
  }
}

async function readRequest(io: Io, file: string | undefined) {
  if (file === undefined && io.stdin.isTTY) {
    return {};
  }
  const bytes = await readInput(io, file, { what: "the request", limit: REQUEST_LIMIT });
  const text = bytes.toString("utf8").trim();
  try {
    return text === "" ? {} : JSON.parse(text);
  } catch {
    // The parser's message quotes what it read, which may be secret.
    throw usage("the request is not JSON");
  }
}
