/**
 * The other children, as one in a thread sees them: memory that all share, and messages by way of who started them.
 */
import { KnownPlaces } from "../core/places.ts";
import { MOST_CHILDREN, type Places, type Siblings } from "../core/siblings.ts";
import { type SharedMemory, send } from "./messages.ts";

export class ThreadSiblings implements Siblings {
  readonly index: number;
  /** Others may come with a reload: it never counts as alone. */
  readonly count = MOST_CHILDREN;
  readonly secret: Uint8Array;
  private readonly buffers = new Map<string, SharedArrayBuffer>();
  private memories = new Map<string, SharedMemory>();
  private readonly listeners = new Map<string, (message: unknown) => void>();
  private readonly answerers = new Map<string, (question: unknown) => unknown>();
  private readonly asked = new Map<number, (values: readonly unknown[]) => void>();
  private lastAsked = 0;

  constructor(index: number, secret: Uint8Array) {
    this.index = index;
    this.secret = secret;
  }

  give(memories: readonly SharedMemory[]): void {
    this.memories = new Map(memories.map((memory) => [memory.name, memory]));
    for (const { name, buffer } of memories) if (buffer !== undefined) this.buffers.set(name, buffer);
  }

  memory(name: string): Places {
    return new KnownPlaces(this.buffers.get(name)!, this.memories.get(name)!.places);
  }

  tell(topic: string, message: unknown, keep = false): void {
    send({ kind: "tell", topic, message, keep });
  }

  hear(topic: string, listener: (message: unknown) => void): void {
    this.listeners.set(topic, listener);
  }

  told(topic: string, message: unknown): void {
    this.listeners.get(topic)?.(message);
  }

  ask(topic: string, question: unknown): Promise<readonly unknown[]> {
    const id = ++this.lastAsked;
    send({ kind: "ask", id, topic, question });
    return new Promise((resolve) => this.asked.set(id, resolve));
  }

  answer(topic: string, answerer: (question: unknown) => unknown): void {
    this.answerers.set(topic, answerer);
  }

  /** Answers another child. */
  reply(id: number, topic: string, question: unknown): void {
    send({ kind: "answer", id, value: this.answerers.get(topic)?.(question) });
  }

  /** The others have answered. */
  answered(id: number, values: readonly unknown[]): void {
    this.asked.get(id)?.(values.filter((value) => value !== undefined));
    this.asked.delete(id);
  }
}
