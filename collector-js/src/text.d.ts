/** Lists of `schema/lists`, as the build includes them: one entry a line, without comments. */
declare module "*.txt" {
  const lines: string;
  export default lines;
}
