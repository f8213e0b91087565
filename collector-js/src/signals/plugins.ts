/**
 * Item 15: the names of plugins. Browsers of today name five PDF viewers or nothing, whatever is installed; an empty list is
 * a value.
 */
export const plugins = (): string[] | undefined =>
  // Not every browser has the list.
  (navigator.plugins as PluginArray | undefined) &&
  [...navigator.plugins].map(({ name }) => name.slice(0, 64)).slice(0, 32);
