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
        const { name, ...others } = membersOf(spec, payload);
        if (typeof name !== "string" || Object.keys(others).length > 0) {
          throw new BunkmsError("invalid_request", "the payload must have a name, and nothing else");
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
      readRequest: (spec, payload) => requestFromHttp(spec, NO_PATH, "", membersOf(spec, payload)),
      answer: () => ({}),
    },
  ],
]);

function membersOf({ maxMembers }: OperationSpec, payload: Buffer): JsonObject {
  const json = parseStrictJson(payload, maxMembers);
  if (!isJsonObject(json)) {
    throw new BunkmsError("invalid_request", "the payload must be a JSON object");
  }
  return json;
}
