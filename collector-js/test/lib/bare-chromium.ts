/**
 * A Chromium that is left alone: no focus is pretended, and only the tabs that a test opens are watched. What a test
 * driver usually does for convenience hides how tabs in the background and prerendered pages behave.
 */
import { FLAGS, findChromium, MISSING } from "./chromium.mjs";
import { asJson, fromJson, Wire } from "./wire.js";

export class BareChromium {
  private constructor(private wire: Wire) {}

  static async launch(): Promise<BareChromium> {
    const path = findChromium();
    if (!path) throw new Error(MISSING);
    const own = (profile: string) => [
      "--headless",
      "--remote-debugging-port=0",
      `--user-data-dir=${profile}`,
    ];
    return new BareChromium(await Wire.launch(path, (profile) => [...FLAGS, ...own(profile), "about:blank"]));
  }

  /** A new tab in front. */
  async tab() {
    const { targetId } = (await this.wire.send("Target.createTarget", { url: "about:blank" })) as {
      targetId: string;
    };
    const attached = await this.wire.send("Target.attachToTarget", { targetId, flatten: true });
    const session = attached as { sessionId: string };
    return {
      goto: (url: string) => this.wire.send("Page.navigate", { url }, session),
      front: () => this.wire.send("Target.activateTarget", { targetId }),
      close: () => this.wire.send("Target.closeTarget", { targetId }),
      evaluate: async <Result, Arg>(run: (arg: Arg) => Result, arg?: Arg): Promise<Awaited<Result>> => {
        const params = { expression: asJson(run, arg), awaitPromise: true, returnByValue: true };
        const answer = await this.wire.send("Runtime.evaluate", params, session);
        const { result, exceptionDetails } = answer as {
          result: { value?: string };
          exceptionDetails?: { text: string };
        };
        if (exceptionDetails) throw new Error(exceptionDetails.text);
        return fromJson(result.value);
      },
    };
  }

  close = () => this.wire.close("Browser.close");
}
