/**
 * Files that are read while requests are served: the door to them, for what decides by their content.
 */

export interface TextFile {
  readonly text: string;
  /** Differs when the file is another one or has changed. */
  readonly version: string;
}

export interface FileHost {
  /**
   * A small text file; null when it cannot be read.
   * @param known what was read before: answered again, at the cost of a look, while the file is the same
   */
  read(path: string, known?: TextFile | null): TextFile | null;
}
