/** What the process's environment says besides the settings. */
export interface ProcessEnvironment {
  /** XDG_CONFIG_HOME, where this user's programs keep their configuration, if it is set. */
  readonly configHome: string | undefined;
  /** NODE_OPTIONS, by which flags reach the runtime unseen. */
  readonly nodeOptions: string | undefined;
}

export function readProcessEnvironment(env: NodeJS.ProcessEnv = process.env): ProcessEnvironment {
  return { configHome: env["XDG_CONFIG_HOME"] || undefined, nodeOptions: env["NODE_OPTIONS"] };
}
