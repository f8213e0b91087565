/**
 * 127 random bits as 22 characters of base64url. `-` is not used: `_` is written for both, so one bit is lost. Not derived
 * from anything, never stored, new for every view.
 */
export const randomId = () =>
  btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))))
    .slice(0, 22)
    .replace(/[+/]/g, "_");
