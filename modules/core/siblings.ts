/**
 * The children of a server as one of them sees the others: its number, the memory that all share, and their ear.
 * Source: httpd include/scoreboard.h, ap_slotmem.h
 */

/** A piece of shared memory: so many bytes of it, wherever they are to lie. */
export interface Place {
  /** Bytes from the beginning of the buffer; a multiple of 8. */
  readonly at: number;
  /** Nobody else has it. Something may be in it from whoever had it before. */
  readonly fresh: boolean;
}

/** Pieces of one size, each of which belongs to a key. How they share the buffer is for who takes them to say. */
export interface Places {
  readonly buffer: ArrayBufferLike;
  /** The pieces of these keys, in this order. A key that a generation still has keeps its piece, and what is in it. */
  take(keys: readonly string[], generation: number): Place[];
}

export interface Siblings {
  /** Which child this is, from 0; -1: what starts the children and serves nothing itself. */
  readonly index: number;
  /** 1: this one is alone. */
  readonly count: number;
  /** 32 bytes that nobody can foresee, the same in each child for as long as the program runs. */
  readonly secret: Uint8Array;
  /** Memory that all children see. Only in check_config, which runs before there are children. */
  memory(name: string, sizeBytes: number): Places;
  /** Tells all other children: plain data. @param keep tells those that come later, too. @default false */
  tell(topic: string, message: unknown, keep?: boolean): void;
  /** Hears what other children tell; one listener a topic, a later one replaces it. */
  hear(topic: string, listener: (message: unknown) => void): void;
  /** Asks all other children. Resolves with what those answer that do within half a second. */
  ask(topic: string, question: unknown): Promise<readonly unknown[]>;
  /** Answers what other children ask, with plain data; one answerer a topic, a later one replaces it. */
  answer(topic: string, answerer: (question: unknown) => unknown): void;
}

/** Most children at one time, those included that end and are replaced already. */
export const MOST_CHILDREN = 64;
