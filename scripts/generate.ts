/**
 * `npm run generate`: makes packages/contract/src/gen from proto/, the Go client's part of the contract from both, and
 * docs/key-types.md from the algorithm table. Files that would not change are not touched, so that a running test or server
 * does not find the folder empty.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  DOCS_FOLDER,
  differences,
  GEN_FOLDER,
  type GeneratedFiles,
  GO_FOLDER,
  generateGo,
  generateKeyTypes,
  generateOpenApi,
  generateTypeScript,
  isGeneratedGo,
  readFolder,
} from "./generated-files.ts";

function write(folder: string, files: GeneratedFiles, owns: (name: string) => boolean): void {
  const present = new Map([...readFolder(folder)].filter(([name]) => owns(name)));
  for (const name of differences(files, present)) {
    const path = join(folder, name);
    const content = files.get(name);
    console.log(content === undefined ? `removed ${name}` : `wrote ${name}`);
    if (content === undefined) {
      rmSync(path);
    } else {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
    }
  }
}

write(GEN_FOLDER, await generateTypeScript(), (name) => name !== "openapi.json");
write(GEN_FOLDER, await generateOpenApi(), (name) => name === "openapi.json");
write(GO_FOLDER, await generateGo(), isGeneratedGo);
write(DOCS_FOLDER, await generateKeyTypes(), (name) => name === "key-types.md");
