/** What a request may be named by, in its header and in both logs. */
export const REQUEST_ID_FORM = /^[A-Za-z0-9._-]{1,64}$/;
