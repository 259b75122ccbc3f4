import { REQUEST_ID_FORM } from "@bunkms/contract";

const CODE = /^[a-z_]{1,64}$/;
const MOST_CHARACTERS = 1024;

/** Whether a code and a request id, which may be empty, can be what BunKMS says; else something between may have written them. */
export function canBeSaid(code: string, requestId: string): boolean {
  return CODE.test(code) && (requestId === "" || REQUEST_ID_FORM.test(requestId));
}

/** A text that something answered, fit for a line of a log and for a terminal. */
export function oneLine(text: string): string {
  const cut = text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
  return printable(cut.toWellFormed()).replaceAll("\n", "\\n");
}

/**
 * Text from the server with control characters made visible, but for line ends, so that a terminal does not obey them, and those
 * that reorder a line, lest it reads as another.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\p{Bidi_Control}]/gu, (character) => {
    const code = character.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`;
  });
}
