/**
 * A status that is not there yet: a promise of one for those who know no better, with one waiter and no objects of its own
 * for those who do. (The promises, reactions and closures between a proxied request and its end were 15 objects of a request.)
 */
import type { Status } from "./status.ts";

/** Is told of a status, within the call that settles it. */
export interface StatusWaiter {
  settled(status: Status): void;
  failed(error: unknown): void;
}

/** Extended by what takes its time: it is then its own promise. */
export class PendingStatus implements Promise<Status> {
  private outcome: Status | null = null;
  /** Why there will be none. */
  private failure: { readonly error: unknown } | null = null;
  private waiter: StatusWaiter | null = null;

  /** No field: one with such a name is defined for each object, by a call of its own. */
  get [Symbol.toStringTag](): string {
    return "PendingStatus";
  }

  /** Names the waiter. There can be one, which `then` is, too. */
  tell(waiter: StatusWaiter): void {
    if (this.waiter !== null) throw new Error("somebody waits already");
    this.waiter = waiter;
    if (this.outcome !== null) waiter.settled(this.outcome);
    else if (this.failure !== null) waiter.failed(this.failure.error);
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise
  then<A = Status, B = never>(
    done?: ((status: Status) => A | PromiseLike<A>) | null,
    failed?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return new Promise<Status>((settled, failed) => this.tell({ settled, failed })).then(done, failed);
  }

  catch<B = never>(failed?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<Status | B> {
    return this.then(undefined, failed);
  }

  finally(call?: (() => void) | null): Promise<Status> {
    return this.then().finally(call);
  }

  protected settle(status: Status): void {
    this.outcome = status;
    this.waiter?.settled(status);
  }

  protected fail(error: unknown): void {
    this.failure = { error };
    this.waiter?.failed(error);
  }
}
