import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { buildOpenApi } from "../packages/contract/src/openapi.ts";
import { readOperations } from "../packages/contract/src/operations.ts";
import { mustRun, ROOT } from "./run-program.ts";

/** The text of openapi.json: the contract's descriptors with the comments of the proto files. */
export async function openApiText(): Promise<string> {
  const comments = await readComments();
  const manifest = readFileSync(join(ROOT, "packages", "contract", "package.json"), "utf8");
  const { version } = JSON.parse(manifest) as { version: string };
  const document = buildOpenApi(
    readOperations(),
    (of) => comments.get("typeName" in of ? of.typeName : `${of.parent.typeName}.${of.name}`) ?? "",
    version,
  );
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

/** Comments by the full name of what they stand over. The compiled descriptors have none, so buf reads them anew. */
async function readComments(): Promise<ReadonlyMap<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), "bunkms-comments-"));
  try {
    const path = join(folder, "set.binpb");
    await mustRun("buf", ["build", "proto", "--as-file-descriptor-set", "--output", path]);
    const set = fromBinary(FileDescriptorSetSchema, await readFile(path));
    return new Map(set.file.flatMap(commentsOfFile));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Locations name what they are about by a path of field numbers and indices in descriptor.proto. */
function commentsOfFile(file: FileDescriptorProto): readonly (readonly [string, string])[] {
  return (file.sourceCodeInfo?.location ?? []).flatMap(({ path, leadingComments }) => {
    const name = leadingComments === undefined || leadingComments === "" ? undefined : nameAt(file, path);
    return name === undefined ? [] : [[`${file.package}.${name}`, tidy(leadingComments ?? "")] as const];
  });
}

/** Messages with their fields and oneofs, services with their methods; nested types are not in the contract. */
function nameAt(file: FileDescriptorProto, path: readonly number[]): string | undefined {
  const [kind, index = 0, innerKind, innerIndex = 0] = path;
  const message = kind === 4 ? file.messageType[index] : undefined;
  const service = kind === 6 ? file.service[index] : undefined;
  const outer = message?.name ?? service?.name;
  if (path.length === 2) {
    return outer;
  }
  const members =
    innerKind === 2 ? (message?.field ?? service?.method) : innerKind === 8 ? message?.oneofDecl : undefined;
  return path.length === 4 && members !== undefined ? `${outer}.${members[innerIndex]?.name}` : undefined;
}

function tidy(comment: string): string {
  return comment.trim().replaceAll(/\s*\n\s*/g, " ");
}
