/** The part of `stopword` that agemem uses; the package ships no types. */
declare module "stopword" {
  /** English stop words, lower case. */
  export const eng: readonly string[];
}
