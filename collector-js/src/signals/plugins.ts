/**
 * Item 15: the names of plugins. Today's browsers name five PDF viewers or nothing, no matter what is installed. An
 * empty list is a value.
 */
import { text } from "../lib/text.js";

export const plugins = (): string[] | undefined =>
  // Not every browser has the list.
  (navigator.plugins as PluginArray | undefined) &&
  [...navigator.plugins].map(({ name }) => text(name, 64)).slice(0, 32);
