import { base64url } from "./base64url.js";

/** 128 random bits as 22 characters of base64url. Not derived from anything, never stored, new for every view. */
export const randomId = () => base64url(crypto.getRandomValues(new Uint8Array(16)));
