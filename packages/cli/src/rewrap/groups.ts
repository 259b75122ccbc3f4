import type { CiphertextPart, CopyPart, ItemPart, Place } from "./parts.ts";

/** Parts that are worked on together. */
export interface Group<Item extends ItemPart = CiphertextPart> {
  readonly parts: readonly (CopyPart | Item)[];
  /** Where the file goes on, if the group ends with an item. */
  readonly after: Place | undefined;
}

/** How large a group may become. */
export interface GroupLimits {
  readonly items: number;
  /** Bytes of items and what each adds to its own, reached when the group is full: the last item may go beyond. */
  readonly bytes: number;
  readonly bytesEach: number;
}

/** Bytes without an item that are worth a group of their own. */
const COPY_BYTES = 1024 * 1024;

/** Gathers parts into groups, in order. A group ends with an item unless there is none for long, or none any more. */
export async function* inGroups<Item extends ItemPart>(
  parts: AsyncIterable<CopyPart | Item>,
  limits: GroupLimits,
): AsyncGenerator<Group<Item>> {
  let group: (CopyPart | Item)[] = [];
  let [items, bytes, copied] = [0, 0, 0];
  let after: Place | undefined;
  const take = (): Group<Item> => {
    const whole = { parts: group, after };
    group = [];
    [items, bytes, copied] = [0, 0, 0];
    after = undefined;
    return whole;
  };
  for await (const part of parts) {
    group.push(part);
    if (part.kind === "copy") {
      copied += part.bytes.length;
      after = undefined;
    } else {
      items += 1;
      bytes += part.bytes.length + limits.bytesEach;
      after = part.after;
    }
    const isFull = items >= limits.items || bytes >= limits.bytes;
    if ((part.kind === "item" && isFull) || copied >= COPY_BYTES) {
      yield take();
    }
  }
  yield take();
}

/**
 * Works on several items at once, and gives the results in the order of the items.
 * @param width How many at once.
 */
export async function* inOrder<Item, Result>(
  items: AsyncIterable<Item>,
  width: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const running: Promise<Result>[] = [];
  try {
    for await (const item of items) {
      const one = work(item);
      // Awaited when its turn comes; until then nobody has failed to handle it.
      one.catch(() => {});
      running.push(one);
      if (running.length >= width) {
        yield await (running.shift() as Promise<Result>);
      }
    }
    for (let one = running.shift(); one !== undefined; one = running.shift()) {
      yield await one;
    }
  } finally {
    await Promise.allSettled(running);
  }
}
