/**
 * 127 random bits as 22 characters of base64url: one of its characters stands for two. Not derived from anything, never
 * stored, new for every view.
 */
export const randomId = () =>
  btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))))
    .slice(0, 22)
    .replace(/[+/]/g, "_");
