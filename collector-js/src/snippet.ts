/**
 * The one-line build, served as `/tamga.js`. It reads its options from its own script tag and starts.
 *
 * `document.currentScript` is set only while a classic script runs. So it is read here, at once, and the tag must not
 * be `type="module"`. A tag without `data-site` does nothing.
 */
import { start } from "./collector.js";
import { optionsFromScript } from "./config.js";
import { guard } from "./lib/guard.js";

guard(() => {
  const options = optionsFromScript(document.currentScript);
  if (options) start(options);
})();
