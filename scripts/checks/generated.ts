import {
  DOCS_FOLDER,
  differences,
  GEN_FOLDER,
  GO_FOLDER,
  generateGo,
  generateKeyTypes,
  generateOpenApi,
  generateTypeScript,
  isGeneratedGo,
  readFolder,
} from "../generated-files.ts";

/**
 * Generates anew and compares with what lies in the repository.
 * @returns The names of files that differ; empty if none does.
 */
export async function checkGenerated(): Promise<string> {
  const contract = new Map([...(await generateTypeScript()), ...(await generateOpenApi())]);
  const go = await generateGo();
  const presentGo = new Map([...readFolder(GO_FOLDER)].filter(([name]) => isGeneratedGo(name)));
  const docs = await generateKeyTypes();
  // The other pages are written by hand.
  const page = new Map([...readFolder(DOCS_FOLDER)].filter(([name]) => docs.has(name)));
  return [...differences(contract, readFolder(GEN_FOLDER)), ...differences(go, presentGo), ...differences(docs, page)]
    .map((name) => `${name}: is not what npm run generate makes\n`)
    .join("");
}
