/**
 * The Firefox of the system, controlled over WebDriver BiDi, with the functions that the tests need.
 *
 * It has a fresh profile and no background traffic. Firefox resolves `*.localhost` to loopback. What the page's own
 * code does is not touched by the driving, except that `navigator.webdriver` says so.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findFirefox, NO_FIREFOX } from "./chromium.mjs";
import { asJson, fromJson, Wire } from "./wire.js";

const PREFERENCES = {
  "app.normandy.enabled": false,
  "app.update.enabled": false,
  "browser.newtabpage.enabled": false,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.homepage_override.mstone": "ignore",
  "browser.startup.page": 0,
  "datareporting.policy.dataSubmissionEnabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "http://127.0.0.1:1",
  "toolkit.telemetry.enabled": false,
};

export class Firefox {
  private constructor(private wire: Wire) {}

  static async launch(preferences: Record<string, boolean | string> = {}): Promise<Firefox> {
    const path = findFirefox();
    if (!path) throw new Error(NO_FIREFOX);
    const lines = Object.entries({ ...PREFERENCES, ...preferences }).map(
      ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`,
    );
    const wire = await Wire.launch(
      path,
      (profile) => {
        writeFileSync(join(profile, "user.js"), lines.join("\n"));
        return ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"];
      },
      "/session",
    );
    await wire.send("session.new", { capabilities: {} });
    return new Firefox(wire);
  }

  /** A new tab in front. */
  async tab(): Promise<Tab> {
    const { context } = (await this.wire.send("browsingContext.create", { type: "tab" })) as {
      context: string;
    };
    return new Tab((method, params) => this.wire.send(method, { context, ...params }), context);
  }

  close = () => this.wire.close("browser.close");
}

export class Tab {
  constructor(
    private send: (method: string, params: object) => Promise<unknown>,
    private id: string,
  ) {}

  goto = (url: string) => this.send("browsingContext.navigate", { url, wait: "complete" });
  reload = () => this.send("browsingContext.reload", { wait: "complete" });
  back = () => this.send("browsingContext.traverseHistory", { delta: -1 });
  forward = () => this.send("browsingContext.traverseHistory", { delta: 1 });
  close = () => this.send("browsingContext.close", { promptUnload: false });

  /**
   * Waits for a page that another page moved to: until it has loaded, the tab's history may still stand at that other.
   */
  async arrived(url: string, timeoutMs: number) {
    const end = performance.now() + timeoutMs;
    // A document that is being replaced answers with an error.
    while (
      (await this.evaluate(() => document.readyState + location.href).catch(() => "")) !== `complete${url}`
    ) {
      if (performance.now() > end) throw new Error(`Firefox did not load ${url} within ${timeoutMs} ms`);
      await new Promise((later) => setTimeout(later, 20));
    }
  }

  async evaluate<Result, Arg>(run: (arg: Arg) => Result, arg?: Arg): Promise<Awaited<Result>> {
    const answer = (await this.send("script.evaluate", {
      expression: asJson(run, arg),
      target: { context: this.id },
      awaitPromise: true,
    })) as { result?: { value?: string }; exceptionDetails?: { text: string } };
    if (answer.exceptionDetails) throw new Error(answer.exceptionDetails.text);
    return fromJson(answer.result?.value);
  }
}
