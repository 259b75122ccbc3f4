import { type ProgrammeSettings, runProgramme } from "./programme.ts";

/** In a browser: fetches the settings from where the page came from, and sends what came of them there. */
const settings = (await (await fetch("/settings")).json()) as ProgrammeSettings;
const { location } = globalThis as unknown as { readonly location: { readonly href: string } };
const results = await runProgramme({ ...settings, rest: new URL(settings.rest, location.href).href });
await fetch("/report", { method: "POST", body: JSON.stringify(results) });
