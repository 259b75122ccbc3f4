import { type DescMessage, fromBinary, type Message } from "@bufbuild/protobuf";
import { BunkmsError, type OperationSpec } from "@bunkms/contract";

/**
 * Reads a request's message.
 * @throws BunkmsError `payload_too_large`, `invalid_request`
 */
export function decodeRequest({ method, maxRequestBytes }: OperationSpec, bytes: Buffer): Message {
  if (bytes.length > maxRequestBytes) {
    throw new BunkmsError("payload_too_large", `the message is larger than ${maxRequestBytes} bytes`);
  }
  let message: Message;
  try {
    message = fromBinary(method.input, bytes);
  } catch {
    throw new BunkmsError("invalid_request", "the message is not valid Protobuf");
  }
  if (hasUnknown(method.input, message)) {
    throw new BunkmsError("invalid_request", "the request has a field that the operation does not know");
  }
  return message;
}

/** Whether there are fields that the contract does not have: what they ask for would be dropped silently. */
function hasUnknown(schema: DescMessage, message: Message): boolean {
  return (
    (message.$unknown?.length ?? 0) > 0 ||
    schema.fields.some(
      (field) =>
        field.fieldKind === "list" &&
        field.listKind === "message" &&
        (message as unknown as Record<string, readonly Message[]>)[field.localName]?.some((item) =>
          hasUnknown(field.message, item),
        ),
    )
  );
}
