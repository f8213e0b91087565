/**
 * Item 15: the names of plugins. Browsers of today name five PDF viewers or nothing, whatever is installed; an empty list is
 * a value.
 */
import { text } from "../lib/text.js";

export const plugins = (): string[] | undefined =>
  // Not every browser has the list.
  (navigator.plugins as PluginArray | undefined) &&
  [...navigator.plugins].map(({ name }) => text(name, 64)).slice(0, 32);
