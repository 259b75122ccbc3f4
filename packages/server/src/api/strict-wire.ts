import { type DescField, type DescMessage, fromBinary, type MessageShape, ScalarType } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { BunkmsError, tooMany } from "@bunkms/contract";

/** How a field stands in a message's bytes. */
interface Part {
  readonly wireType: WireType;
  /** The list or the map that it is an item or a pair of. */
  readonly of?: DescField;
  /** What a message or a pair may have. */
  readonly inside?: Shape;
}

/** What a message may have, by field number. */
type Shape = ReadonlyMap<number, Part>;

const TEXT: Part = { wireType: WireType.LengthDelimited };
const NUMBER: Part = { wireType: WireType.Varint };
/** Maps in requests are of texts. */
const PAIR: Shape = new Map([
  [1, TEXT],
  [2, TEXT],
]);

/** How many members there may still be. */
interface Room {
  left: number;
}

/**
 * Reads a message whose bytes were walked over once, before anything is made of them: that refuses too many members, and at any
 * depth a field that the contract does not have, which the decoder would drop silently. It reads by the decoder's own reader and
 * accepts only the declared wire types, so that the decoder sees the same fields.
 * @param maxMembers Most fields, items and pairs in all; what a pair consists of is not counted.
 * @throws BunkmsError `invalid_request`; another error where the bytes are not Protobuf.
 */
export function strictFromBinary<D extends DescMessage>(
  schema: D,
  bytes: Uint8Array,
  maxMembers: number,
): MessageShape<D> {
  walk(new BinaryReader(bytes), shapeOf(schema), bytes.length, { left: maxMembers });
  return fromBinary(schema, bytes);
}

function walk(reader: BinaryReader, shape: Shape, end: number, room: Room): void {
  let counts: number[] | undefined;
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    const part = shape.get(number);
    if (part === undefined) {
      throw new BunkmsError("invalid_request", "the request has a field that the operation does not know");
    }
    if (wireType !== part.wireType) {
      throw new RangeError("a field of another type");
    }
    room.left -= 1;
    if (room.left < 0) {
      throw new BunkmsError("invalid_request", "the message has too many members");
    }
    if (part.of !== undefined) {
      counts ??= [];
      counts[number] = (counts[number] ?? 0) + 1;
      refuse(tooMany(part.of, counts[number]));
    }
    if (wireType === WireType.Varint) {
      reader.skip(wireType, number);
      continue;
    }
    const length = reader.uint32();
    if (part.inside === undefined) {
      reader.pos += length;
    } else {
      // A pair has a name and a value: the decoder would go through any number of them, and keep the last.
      walk(reader, part.inside, reader.pos + length, part.inside === PAIR ? { left: PAIR.size } : room);
    }
  }
  if (reader.pos > end) {
    throw new RangeError("a field ends behind its message");
  }
}

function refuse(tooMuch: string | undefined): void {
  if (tooMuch !== undefined) {
    throw new BunkmsError("invalid_request", tooMuch);
  }
}

const SHAPES = new WeakMap<DescMessage, Shape>();

function shapeOf(message: DescMessage): Shape {
  let shape = SHAPES.get(message);
  if (shape === undefined) {
    shape = new Map(message.fields.map((field) => [field.number, partOf(field)]));
    SHAPES.set(message, shape);
  }
  return shape;
}

function partOf(field: DescField): Part {
  switch (field.fieldKind) {
    case "map":
      return { ...TEXT, of: field, inside: PAIR };
    case "list":
      return { ...TEXT, of: field, ...(field.message && { inside: shapeOf(field.message) }) };
    case "message":
      return { ...TEXT, inside: shapeOf(field.message) };
    default:
      return field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES ? TEXT : NUMBER;
  }
}
