/**
 * `npm run generate`: makes packages/contract/src/gen from proto/. Files that would not change are not touched, so that
 * a running test or server does not find the folder empty.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  differences,
  GEN_FOLDER,
  type GeneratedFiles,
  generateOpenApi,
  generateTypeScript,
  readFolder,
} from "./generated-files.ts";

function write(files: GeneratedFiles, owns: (name: string) => boolean): void {
  const present = new Map([...readFolder(GEN_FOLDER)].filter(([name]) => owns(name)));
  for (const name of differences(files, present)) {
    const path = join(GEN_FOLDER, name);
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

write(await generateTypeScript(), (name) => name !== "openapi.json");
write(await generateOpenApi(), (name) => name === "openapi.json");
