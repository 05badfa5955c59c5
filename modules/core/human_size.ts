/**
 * Numbers of bytes for people.
 */
const UNITS = "KMGTPE";

/** Four characters: "  0 ", "972 ", "1.2K", " 34M". Source: APR apr_strfsize */
export function humanSize(bytes: number): string {
  if (bytes < 0) return "  - ";
  if (bytes < 973) return `${String(Math.floor(bytes)).padStart(3)} `;
  let size = Math.floor(bytes);
  for (const unit of UNITS) {
    const rest = size % 1024;
    size = Math.floor(size / 1024);
    if (size >= 973) continue;
    if (size < 9 || (size === 9 && rest < 973)) {
      const tenth = Math.floor((rest * 5 + 256) / 512);
      return tenth >= 10 ? `${size + 1}.0${unit}` : `${size}.${tenth}${unit}`;
    }
    return `${String(rest >= 512 ? size + 1 : size).padStart(3)}${unit}`;
  }
  return "****";
}
