// A style sheet that is imported is its text: see build.
declare module '*.css' {
  const text: string;
  export default text;
}
