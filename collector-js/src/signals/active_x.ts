/**
 * Item 18: ActiveX. Only Internet Explorer and the mode of Edge that imitates it have it, and neither reads a script as
 * young as this one; so `true` means that a page or a program pretends. Asked by `in`, because the real one hides from `typeof`.
 */
export const activeX = (): boolean => "ActiveXObject" in window;
