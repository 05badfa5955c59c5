/**
 * How long-lived texts are laid out in memory. Both runtimes join strings as trees of their pieces and cut them as windows
 * on the whole, which is right for a text that is written once, and wrong for one that is kept.
 */

/** Kept, as optimizers leave out a look of which nothing remains. */
const seen = { firstChar: 0 };

/** The same text in one piece, so that who joins it to others does not walk its pieces each time. */
export function flat(text: string): string {
  seen.firstChar = text.charCodeAt(0); // JavaScriptCore and V8 flatten a string to look into it
  return text;
}

/** The same text on its own: a piece of a request's head would keep the whole head. For short ones. */
export function detached(text: string): string {
  const codes: number[] = [];
  for (let i = 0; i < text.length; i++) codes.push(text.charCodeAt(i));
  return String.fromCharCode(...codes);
}
