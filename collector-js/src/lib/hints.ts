/** What Chromium says about its system only when it is asked, if the site's permissions policy allows that. */

type Hint = "architecture" | "bitness" | "model" | "platformVersion";
type AgentData = { getHighEntropyValues?(names: Hint[]): Promise<Partial<Record<Hint, string>>> };

export const hints = async (...names: Hint[]) =>
  (navigator as { userAgentData?: AgentData }).userAgentData?.getHighEntropyValues?.(names);

/** `undefined` where it is empty: computers have no model. */
export const hint = async (name: Hint, longest: number) =>
  (await hints(name))?.[name]?.slice(0, longest) || undefined;
