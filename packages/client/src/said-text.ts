const CODE = /^[a-z_]{1,64}$/;
const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;
const MOST_CHARACTERS = 1024;

/** Whether a code and a request id, which may be empty, can be what BunKMS says; else something between may have written them. */
export function canBeSaid(code: string, requestId: string): boolean {
  return CODE.test(code) && (requestId === "" || REQUEST_ID.test(requestId));
}

/**
 * A text that something answered, fit for a line of a log and for a terminal: characters that one of the two would act on are
 * made visible.
 */
export function oneLine(text: string): string {
  const cut = text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
  return cut.toWellFormed().replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, (character) => {
    if (character === "\n") {
      return "\\n";
    }
    const code = character.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`;
  });
}
