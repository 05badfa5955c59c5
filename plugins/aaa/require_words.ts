/** The words behind `Require host`, `user` and `group`, in which %{VARIABLES} may stand. */
import { ArgumentError, type RequestRec, requestSubject, splitWords, textOrExpr } from "../../modules/mod.ts";

export type WordsOf = (r: RequestRec) => readonly string[];

/** Words without a variable are split once. @throws ArgumentError */
export function parseWords(args: string): WordsOf {
  const value = textOrExpr(args);
  if ("error" in value) throw new ArgumentError(`Cannot parse expression in require line: ${value.error}`, value);
  const split = (text: string) => splitWords(text, 1).map((word) => word.text);
  if (!/[%$\\]/.test(args)) {
    const words = split(value.text);
    return () => words;
  }
  return (r) => split(value.evaluate(requestSubject(r)));
}
