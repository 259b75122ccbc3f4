import { differences, GEN_FOLDER, generateOpenApi, generateTypeScript, readFolder } from "../generated-files.ts";

/**
 * Generates anew and compares with what lies in the repository.
 * @returns The names of files that differ; empty if none does.
 */
export async function checkGenerated(): Promise<string> {
  const fresh = new Map([...(await generateTypeScript()), ...(await generateOpenApi())]);
  return differences(fresh, readFolder(GEN_FOLDER))
    .map((name) => `${name}: is not what npm run generate makes\n`)
    .join("");
}
