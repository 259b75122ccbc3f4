import { Failure, usage } from "./failure.ts";
import type { Io } from "./io.ts";

const ENTER = new Set([0x0a, 0x0d]);
const CTRL_C = 0x03;
const CTRL_D = 0x04;
const CTRL_U = 0x15;
const ERASE = new Set([0x08, 0x7f]);

/**
 * Asks for lines on the terminal without showing what is typed. It ends the use of standard input.
 * @returns what was typed for each label, in UTF-8 without the newline.
 * @throws Failure when it is cancelled with Ctrl-C or Ctrl-D.
 */
export async function promptHidden(io: Io, labels: readonly string[]): Promise<Buffer[]> {
  const bytes = eachByte(io.stdin);
  const lines: Buffer[] = [];
  io.stdin.setRawMode?.(true);
  try {
    for (const label of labels) {
      io.stderr.write(label);
      lines.push(await readHiddenLine(bytes));
      io.stderr.write("\n");
    }
    return lines;
  } finally {
    io.stdin.setRawMode?.(false);
    await bytes.return(undefined);
  }
}

/**
 * Refuses what cannot be undone where nobody has said yes beforehand and there is nobody to ask.
 * @param yes The option --yes. @param danger What the refusal begins with. @throws Failure
 */
export function refuseUnasked(io: Io, yes: boolean | undefined, danger: string): void {
  if (!yes && !io.stdin.isTTY) {
    throw usage(`${danger}, and there is no terminal to ask on`, "Add --yes.");
  }
}

/** Asks a question on the terminal. Only `y` and `yes` mean yes. It ends the use of standard input. */
export async function confirm(io: Io, question: string): Promise<boolean> {
  return /^y(es)?$/i.test(await ask(io, `${question} [y/N] `));
}

/** Asks on the terminal for a name to be typed, so that nobody says yes by habit. It ends the use of standard input. */
export async function confirmByName(io: Io, question: string, name: string): Promise<boolean> {
  return (await ask(io, question)) === name;
}

async function ask(io: Io, question: string): Promise<string> {
  io.stderr.write(question);
  const line: number[] = [];
  for await (const byte of eachByte(io.stdin)) {
    if (ENTER.has(byte)) {
      break;
    }
    line.push(byte);
  }
  return Buffer.from(line).toString().trim();
}

async function* eachByte(stdin: Io["stdin"]): AsyncGenerator<number, undefined, undefined> {
  for await (const chunk of stdin) {
    yield* chunk;
  }
  return undefined;
}

async function readHiddenLine(bytes: AsyncGenerator<number, undefined, undefined>): Promise<Buffer> {
  const line: number[] = [];
  for (;;) {
    const { value: byte } = await bytes.next();
    if (byte === undefined || byte === CTRL_C || (byte === CTRL_D && line.length === 0)) {
      throw new Failure(2, "cancelled");
    }
    if (ENTER.has(byte)) {
      return Buffer.from(line);
    }
    if (byte === CTRL_U) {
      line.length = 0;
    } else if (ERASE.has(byte)) {
      eraseCharacter(line);
    } else if (byte >= 0x20) {
      line.push(byte);
    }
  }
}

/** Takes the last UTF-8 character away: its continuation bytes (10xxxxxx), then its first byte. */
function eraseCharacter(line: number[]): void {
  let last = line.pop();
  while (last !== undefined && (last & 0xc0) === 0x80) {
    last = line.pop();
  }
}
