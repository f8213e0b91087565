/**
 * Item 18: ActiveX. Only Internet Explorer and Edge's mode for it have ActiveX, and neither can run a script as modern
 * as this one. So `true` means that a page or a program pretends. It uses `in`, because `typeof` does not show the real
 * one.
 */
export const activeX = (): boolean => "ActiveXObject" in window;
