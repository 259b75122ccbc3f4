import { HEADER } from "./handover.ts";
import { NoteMalformed } from "./text-form.ts";

/** Writes the notes of hand-overs one after the other, as the file `handovers` beside a log's checkpoint has them. */
export function formatHandovers(notes: readonly string[]): string {
  return notes.join("\n");
}

/**
 * Takes such a file apart. Nothing of the notes is verified.
 * @throws NoteMalformed when something stands before the first.
 */
export function splitHandovers(text: string): readonly string[] {
  const [before, ...notes] = text.split(new RegExp(`^(?=${HEADER}$)`, "m"));
  if (before === "" && notes.length === 0) {
    return [];
  }
  // Without anything before the first note, that is what `split` puts first.
  const all = [before as string, ...notes];
  if (!all[0]?.startsWith(`${HEADER}\n`)) {
    throw new NoteMalformed("the file does not begin with a hand-over");
  }
  return all.map((note, i) => (i < all.length - 1 ? note.replace(/\n\n$/, "\n") : note));
}
