/**
 * The one-line build, served as `/tamga.js`. It reads its options from its own script tag and starts.
 *
 * `document.currentScript` is set only while a classic script runs. So it is read here, at once. A page that the snippet
 * cannot count is named once, on the console, because nothing else would show it.
 */
import { start } from "./collector.js";
import { findTag, optionsFromScript } from "./config.js";
import { guard } from "./lib/guard.js";

guard(() => {
  const options = optionsFromScript(findTag());
  if (options) start(options);
  // biome-ignore lint/suspicious/noConsole: for the site's developer.
  else console.warn("tamga: no data-site");
})();
