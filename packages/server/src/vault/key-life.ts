import { BunkmsError } from "@bunkms/contract";

/** The state of a key. A version has one too, but never waits for an import. */
export type KeyState = "enabled" | "disabled" | "pending_deletion" | "destroyed" | "pending_import";

/** What moves a key or a version from one state to another. */
export type LifeStep = "enable" | "disable" | "schedule_deletion" | "cancel_deletion" | "destroy" | "import";

interface Transition {
  readonly from: readonly KeyState[];
  readonly to: KeyState;
}

/** THE transitions. What is not here is refused; `destroyed` has no way out. */
const TRANSITIONS: Readonly<Record<LifeStep, Transition>> = {
  enable: { from: ["disabled"], to: "enabled" },
  disable: { from: ["enabled"], to: "disabled" },
  schedule_deletion: { from: ["enabled", "disabled", "pending_import"], to: "pending_deletion" },
  // Disabled and not enabled: who cancels in haste decides in peace whether the key works again.
  cancel_deletion: { from: ["pending_deletion"], to: "disabled" },
  destroy: { from: ["pending_deletion"], to: "destroyed" },
  import: { from: ["pending_import", "enabled"], to: "enabled" },
};

const IN_WORDS: Readonly<Record<KeyState, string>> = {
  enabled: "enabled",
  disabled: "disabled",
  pending_deletion: "pending deletion",
  destroyed: "destroyed",
  pending_import: "waiting for its import",
};

/**
 * The state after a step.
 * @param what What is stepped, for the error: for example `the key`.
 * @throws BunkmsError `wrong_key_state`
 */
export function nextState(step: LifeStep, state: KeyState, what: string): KeyState {
  const { from, to } = TRANSITIONS[step];
  if (!from.includes(state)) {
    throw wrongState(what, state);
  }
  return to;
}

/** @throws BunkmsError `wrong_key_state` unless enabled. */
export function requireEnabled(state: KeyState, what: string): void {
  if (state !== "enabled") {
    throw wrongState(what, state);
  }
}

/** @throws BunkmsError `wrong_key_state` for what is destroyed. */
export function refuseDestroyed(state: KeyState, what: string): void {
  if (state === "destroyed") {
    throw wrongState(what, state);
  }
}

function wrongState(what: string, state: KeyState): BunkmsError {
  return new BunkmsError("wrong_key_state", `${what} is ${IN_WORDS[state]}`);
}
