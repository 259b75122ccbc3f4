/** One block of commands in a document, and what it prints. */
export interface TourBlock {
  /** Line number of its first command, from 1. */
  readonly line: number;
  readonly commands: string;
  /** What follows it as an answer; undefined when nothing is shown. */
  readonly expected: readonly string[] | undefined;
  /** Whether its last command starts a server, which runs in the foreground until Ctrl+C. */
  readonly startsServer: boolean;
}

const FENCE = /^```(.*)$/;
const STARTS_SERVER = /^npm (?:start|run start:prod)(?: -- .*)?$/;

/**
 * Reads the blocks of commands in one section of a Markdown document: ` ```sh ` holds commands, and ` ```text ` or ` ```json `
 * right after it what they print.
 * @throws Error for a section that is not there, and for a block that would be neither run nor compared.
 */
export function readTour(markdown: string, heading: string): readonly TourBlock[] {
  const lines = markdown.split("\n");
  const start = lines.indexOf(`## ${heading}`);
  if (start === -1) {
    throw new Error(`there is no section "${heading}"`);
  }
  const next = lines.findIndex((line, i) => i > start && line.startsWith("## "));
  const end = next === -1 ? lines.length : next;
  const blocks: TourBlock[] = [];
  for (let i = start + 1; i < end; i++) {
    const language = FENCE.exec(lines[i] ?? "")?.[1];
    if (language === undefined) {
      continue;
    }
    const close = lines.indexOf("```", i + 1);
    const content = lines.slice(i + 1, close);
    if (close === -1 || close >= end) {
      throw new Error(`line ${i + 1}: the block does not end`);
    }
    addBlock(blocks, language, i + 2, content);
    i = close;
  }
  return blocks;
}

function addBlock(blocks: TourBlock[], language: string, line: number, content: readonly string[]): void {
  if (language === "sh") {
    const commands = content.join("\n");
    blocks.push({ line, commands, expected: undefined, startsServer: STARTS_SERVER.test(lastCommand(commands)) });
    return;
  }
  const before = blocks.pop();
  if (before === undefined || before.expected !== undefined || (language !== "text" && language !== "json")) {
    throw new Error(`line ${line}: a block of "${language}" is neither commands nor their answer`);
  }
  blocks.push({ ...before, expected: content });
}

/** The last line, with those before it that it continues. */
function lastCommand(commands: string): string {
  return (
    commands
      .replaceAll(/\\\n */g, "")
      .split("\n")
      .at(-1) ?? ""
  );
}
