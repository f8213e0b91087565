/** Lists of `schema/lists`, as the build puts them into the code: one entry a line, without comments. */
declare module "*.txt" {
  const lines: string;
  export default lines;
}
