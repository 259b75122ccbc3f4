/** Days from scheduling a deletion to the destruction, when the request names none. */
export const DEFAULT_WINDOW_DAYS = 30;
