import { type FileHandle, open, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { Failure, usage } from "../failure.ts";
import { giveNewName } from "../file-output.ts";
import { replacePrivateFile } from "../private-files.ts";
import { release } from "../release-memory.ts";
import { BEGIN, type Place } from "./parts.ts";

/** How far a run is: all before `place` of the input is in the first `written` bytes of the output. */
export interface Checkpoint {
  readonly place: Place;
  readonly written: number;
  readonly rewrapped: number;
  readonly failed: number;
}

/** The state beside the output. */
interface State extends Checkpoint {
  readonly format: 1;
  /** Tells the run from one with another input or other settings. */
  readonly fingerprint: string;
  /** The process at work. */
  readonly pid: number;
}

const START: Checkpoint = Object.freeze({ place: BEGIN, written: 0, rewrapped: 0, failed: 0 });

/**
 * An output file that grows in a file beside it (`OUT.rewrap-part`) and gets its name when it is whole. Beside it lies a
 * state (`OUT.rewrap-state`) that is replaced at once and only after what it speaks of is on the disk. Whatever ends the
 * process, the next run cuts the file to what the last state says and goes on from there: nothing is lost or doubled.
 */
export class ResumableOutput implements AsyncDisposable {
  /** Where to begin. */
  readonly start: Checkpoint;
  readonly #target: string;
  readonly #fingerprint: string;
  readonly #handle: FileHandle;

  private constructor(target: string, fingerprint: string, handle: FileHandle, start: Checkpoint) {
    this.#target = target;
    this.#fingerprint = fingerprint;
    this.#handle = handle;
    this.start = start;
  }

  /**
   * Begins, or goes on where a run with the same fingerprint stopped.
   * @param restart Begins anew whatever is there.
   * @throws Failure when another run is at work, or the one before had another input or other settings.
   */
  static async open(path: string, fingerprint: string, restart: boolean): Promise<ResumableOutput> {
    // A link goes on pointing where it did.
    const target = await realpath(path).catch(() => path);
    const state = await readState(target);
    refuseRunning(state, target);
    const size = await sizeOfPart(target);
    // A part that is gone was finished, and one that is too short was tampered with: then there is nothing to go on from.
    const before = restart || state === undefined || size < state.written ? undefined : state;
    if (before !== undefined && before.fingerprint !== fingerprint) {
      throw usage(
        `a run with another input or other options was to write ${path}, and was interrupted`,
        "Give the options of that run to finish it, or begin anew: --restart.",
      );
    }
    const start = before ?? START;
    const output = new ResumableOutput(target, fingerprint, await openPart(target, start.written), start);
    await output.checkpoint(start);
    return output;
  }

  /** Writes at the end. @returns the number of bytes. */
  async append(pieces: readonly Uint8Array[]): Promise<number> {
    const bytes = Buffer.concat(pieces);
    const { length } = bytes;
    try {
      await this.#handle.appendFile(bytes);
      release(bytes);
      return length;
    } catch (error) {
      throw new Failure(7, `cannot write ${partOf(this.#target)}: ${(error as NodeJS.ErrnoException).code}`);
    }
  }

  /** Makes sure that a later run can go on from here. */
  async checkpoint({ place, written, rewrapped, failed }: Checkpoint): Promise<void> {
    await this.#handle.datasync();
    const fingerprint = this.#fingerprint;
    const state: State = { format: 1, fingerprint, pid: process.pid, place, written, rewrapped, failed };
    await replacePrivateFile(stateOf(this.#target), `${JSON.stringify(state)}\n`);
  }

  /** Gives the file its name. @param force Whether a file that has it may be replaced. @throws Failure */
  async finish(force: boolean): Promise<void> {
    await this.#handle.datasync();
    await this.#handle.close();
    const part = partOf(this.#target);
    await (force ? rename(part, this.#target) : giveNewName(part, this.#target));
    await rm(stateOf(this.#target), { force: true });
  }

  /** Removes all that was written. */
  async discard(): Promise<void> {
    await rm(partOf(this.#target), { force: true });
    await rm(stateOf(this.#target), { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

const partOf = (target: string): string => `${target}.rewrap-part`;
const stateOf = (target: string): string => `${target}.rewrap-state`;

async function readState(target: string): Promise<State | undefined> {
  let text: string;
  try {
    text = await readFile(stateOf(target), "utf8");
  } catch {
    return undefined;
  }
  const state = parse(text);
  if (state?.format !== 1) {
    throw usage(`${stateOf(target)} is not a state of this version`, "Remove it to begin anew.");
  }
  return state;
}

/** Written by this program and replaced at once, so it is whole; only who else wrote it is to be told apart. */
function parse(text: string): State | undefined {
  try {
    return JSON.parse(text) as State | undefined;
  } catch {
    return undefined;
  }
}

function refuseRunning(state: State | undefined, target: string): void {
  if (state !== undefined && state.pid !== process.pid && isRunning(state.pid)) {
    const next = `Wait for it. If that process is something else, remove ${stateOf(target)} to begin anew.`;
    throw new Failure(5, `process ${state.pid} is at work on ${target}`, next);
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** -1 when it is not there. */
async function sizeOfPart(target: string): Promise<number> {
  return (await stat(partOf(target)).catch(() => undefined))?.size ?? -1;
}

/** Opens the part to write on after so many bytes. */
async function openPart(target: string, written: number): Promise<FileHandle> {
  try {
    const handle = await open(partOf(target), "a", 0o600);
    await handle.truncate(written);
    return handle;
  } catch (error) {
    throw usage(`cannot write ${target}: ${(error as NodeJS.ErrnoException).code}`);
  }
}
