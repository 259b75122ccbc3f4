import { type FileHandle, open, stat } from "node:fs/promises";
import type { BunkmsClient } from "@bunkms/client";
import { asFailure } from "../exit-codes.ts";
import { Failure, usage } from "../failure.ts";
import { fileError } from "../inputs.ts";
import type { Io } from "../io.ts";
import { printNote } from "../output.ts";
import { groupLimits, REQUESTS } from "./batch.ts";
import { type Group, inGroups, inOrder } from "./groups.ts";
import type { CiphertextFormat } from "./parts.ts";
import { type Checkpoint, ResumableOutput } from "./resumable-output.ts";
import { type Outcome, type RewrapTarget, rewrapGroup } from "./rewrap-group.ts";
import { RewrapProgress } from "./rewrap-progress.ts";

/** A file of ciphertexts to bring to a key's latest version. */
export interface RewrapOrder {
  readonly input: string;
  readonly output: string;
  readonly target: RewrapTarget;
  readonly format: CiphertextFormat;
  /** What the format's options were; a run that goes on must have the same. */
  readonly formatName: string;
  /** Whether a file that has the output's name may be replaced. */
  readonly force: boolean;
  /** Whether to begin anew though a run before was interrupted. */
  readonly restart: boolean;
  /** Whether a ciphertext that fails is copied as it is, in place of ending the run. */
  readonly keepGoing: boolean;
}

/** What came of a file. */
export type RewrapCounts = Pick<Checkpoint, "rewrapped" | "failed">;

const CHUNK_LENGTH = 256 * 1024;
const CHECKPOINT_MS = 500;

/**
 * Writes a file anew with its ciphertexts rewrapped, or goes on where such a run was interrupted. Memory does not grow
 * with the file.
 * @throws Failure; then what was done is kept for the next run.
 */
export async function rewrapFile(io: Io, client: BunkmsClient, order: RewrapOrder): Promise<RewrapCounts> {
  if (!order.force && (await exists(order.output))) {
    throw new Failure(5, `${order.output} is there already`, "Name another file with --out, or replace it: --force.");
  }
  await using input = await openFile(order.input);
  const { size, mtimeMs } = await input.stat();
  await using output = await ResumableOutput.open(
    order.output,
    await fingerprintOf(order, size, mtimeMs),
    order.restart,
  );
  const run = new Run(io, order, output, new RewrapProgress(io, size));
  await run.work(client, input);
  return run.counts;
}

/** One run over a file. */
class Run {
  readonly #io: Io;
  readonly #order: RewrapOrder;
  readonly #output: ResumableOutput;
  readonly #progress: RewrapProgress;
  #now: Checkpoint;
  /** The last moment that a later run could go on from, and whether it is on the disk. */
  #safe: Checkpoint;
  #saved: Checkpoint;
  #savedAt = performance.now();

  constructor(io: Io, order: RewrapOrder, output: ResumableOutput, progress: RewrapProgress) {
    this.#io = io;
    this.#order = order;
    this.#output = output;
    this.#progress = progress;
    this.#now = output.start;
    this.#safe = output.start;
    this.#saved = output.start;
  }

  get counts(): RewrapCounts {
    return this.#now;
  }

  async work(client: BunkmsClient, input: FileHandle): Promise<void> {
    const { target, format } = this.#order;
    const { place, rewrapped, failed } = this.#output.start;
    if (place.offset > 0) {
      printNote(this.#io, `Going on after line ${place.line}: ${rewrapped + failed} ciphertexts are done.`);
    }
    try {
      const chunks = readChunks(this.#order.input, input, place.offset);
      const groups = inGroups(format.read(chunks, place), groupLimits(target.binding));
      const send = async (group: Group) => ({ group, outcomes: await rewrapGroup(client, target, textsOf(group)) });
      for await (const { group, outcomes } of inOrder(groups, REQUESTS, send)) {
        await this.#take(group, outcomes);
      }
    } catch (error) {
      throw await this.#interrupted(error);
    } finally {
      this.#progress.end();
    }
    await this.#finish();
  }

  async #take({ parts, after }: Group, outcomes: readonly Outcome[]): Promise<void> {
    const pieces: Uint8Array[] = [];
    let { rewrapped, failed } = this.#now;
    let next = 0;
    for (const part of parts) {
      const outcome = part.kind === "copy" ? undefined : outcomes[next++];
      if (part.kind === "copy" || outcome === undefined) {
        pieces.push(part.bytes);
      } else if (outcome.kind === "rewrapped") {
        pieces.push(Buffer.from(this.#order.format.write(outcome.ciphertext)));
        rewrapped += 1;
      } else {
        this.#reportItem(outcome, part.after.line);
        pieces.push(part.bytes);
        failed += 1;
      }
    }
    const written = this.#now.written + (await this.#output.append(pieces));
    this.#now = { place: after ?? this.#now.place, written, rewrapped, failed };
    this.#safe = after === undefined ? this.#safe : this.#now;
    this.#progress.show(this.#now.place.offset, rewrapped + failed);
    if (performance.now() - this.#savedAt > CHECKPOINT_MS) {
      await this.#save();
    }
  }

  /** @throws Failure unless the run shall go on. */
  #reportItem({ code, text }: Extract<Outcome, { kind: "failed" }>, line: number): void {
    const message = `line ${line}: ${text} (${code})`;
    if (!this.#order.keepGoing) {
      throw new Failure(
        7,
        message,
        "Check key and --aad or --context, or copy what cannot be rewrapped: --keep-going.",
      );
    }
    this.#progress.end();
    printNote(this.#io, message);
  }

  async #save(): Promise<void> {
    if (this.#saved !== this.#safe) {
      await this.#output.checkpoint(this.#safe);
      this.#saved = this.#safe;
    }
    this.#savedAt = performance.now();
  }

  /** Keeps what was done, and says so. */
  async #interrupted(error: unknown): Promise<Failure> {
    const failure = asFailure(error);
    await this.#save().catch(() => {});
    const { rewrapped, failed } = this.#saved;
    if (rewrapped + failed === 0) {
      await this.#output.discard();
      return failure;
    }
    const next = `${failure.next} What was done is kept: the same command goes on after line ${this.#saved.place.line}.`;
    return new Failure(failure.exitCode, failure.message, next.trim());
  }

  async #finish(): Promise<void> {
    const { format, input, force } = this.#order;
    if (format.needsCiphertexts && this.#now.rewrapped + this.#now.failed === 0) {
      await this.#output.discard();
      throw usage(`there is no ciphertext at the path in ${input}`, "Check --json-path; nothing was written.");
    }
    await this.#save();
    await this.#output.finish(force);
  }
}

function textsOf({ parts }: Group): readonly string[] {
  return parts.flatMap((part) => (part.kind === "item" ? [part.ciphertext] : []));
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/** A run can only go on in what is a file, and stays as it is. */
async function openFile(path: string): Promise<FileHandle> {
  try {
    const handle = await open(path, "r");
    if ((await handle.stat()).isFile()) {
      return handle;
    }
    await handle.close();
  } catch (error) {
    throw fileError(path, error);
  }
  throw usage(`cannot read ${path}: it is not a file`);
}

async function* readChunks(path: string, handle: FileHandle, start: number): AsyncGenerator<Buffer> {
  try {
    yield* handle.createReadStream({ start, highWaterMark: CHUNK_LENGTH, autoClose: false });
  } catch (error) {
    throw fileError(path, error);
  }
}

/** Tells runs apart that must not go on for each other. */
async function fingerprintOf({ input, target, formatName }: RewrapOrder, size: number, mtime: number): Promise<string> {
  const { binding, context } = target.binding;
  const bound = binding?.case === "aadB64" ? Buffer.from(binding.value).toString("base64") : binding?.value;
  const settings = JSON.stringify([input, size, mtime, target.keyName, binding?.case, bound, context, formatName]);
  return Buffer.from(await crypto.subtle.digest("SHA-256", Buffer.from(settings))).toString("hex");
}
