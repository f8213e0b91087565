/** The engine of the browser, by the words of one of its errors. A page or a program cannot change them by a header. */
export type Engine = "blink" | "gecko" | "webkit" | "other";

export function engine(): Engine {
  try {
    // The field of nothing is what fails.
    (null as unknown as { none: unknown }).none;
  } catch (error) {
    const { message } = error as Error;
    if (/^cannot read prop/i.test(message)) return "blink";
    if (/is not an object/.test(message)) return "webkit";
    if (/null/.test(message)) return "gecko";
  }
  return "other";
}
