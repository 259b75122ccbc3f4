import type { JsonObject, Message } from "@bufbuild/protobuf";
import { BunkmsError, type GetSecretResponse, type OperationSpec } from "@bunkms/contract";
import { type PathValues, requestFromHttp } from "./rest-request.ts";
import { isJsonObject, parseStrictJson } from "./strict-json.ts";

/** What a command does, in the contract's words. */
export interface RpcCommand {
  readonly action: string;
  /** @throws BunkmsError `invalid_request` */
  readRequest(spec: OperationSpec, payload: Buffer): Message;
  /** The payload of an answer. */
  answer(message: Message): object;
}

const NO_PATH: PathValues = new Map();

/** By their numbers in the protocol. */
export const RPC_COMMANDS: ReadonlyMap<number, RpcCommand> = new Map<number, RpcCommand>([
  [
    1,
    {
      action: "secrets.get",
      readRequest: (spec, payload) => {
        const { name } = membersOf(spec, payload, ["name"]);
        if (typeof name !== "string") {
          throw new BunkmsError("invalid_request", "the payload must have a name");
        }
        return requestFromHttp(spec, new Map([["name", name]]), "", undefined);
      },
      answer: (message) => ({ value_b64: Buffer.from((message as GetSecretResponse).valueB64).toString("base64") }),
    },
  ],
  [
    2,
    {
      action: "secrets.put",
      readRequest: (spec, payload) =>
        requestFromHttp(spec, NO_PATH, "", membersOf(spec, payload, ["name", "value", "value_b64"])),
      answer: () => ({}),
    },
  ],
]);

/**
 * Only those that the protocol has: who calls proves nothing, and what the contract has besides, as how many versions of a secret are
 * kept, is not for everybody.
 */
function membersOf({ maxMembers }: OperationSpec, payload: Buffer, names: readonly string[]): JsonObject {
  const json = parseStrictJson(payload, maxMembers);
  if (!isJsonObject(json)) {
    throw new BunkmsError("invalid_request", "the payload must be a JSON object");
  }
  if (!Object.keys(json).every((name) => names.includes(name))) {
    throw new BunkmsError("invalid_request", `the payload has other members than ${names.join(", ")}`);
  }
  return json;
}
