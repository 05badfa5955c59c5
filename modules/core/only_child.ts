/**
 * A child that is alone: there is nobody to share with but its own next generation.
 */
import { PlaceKeeper } from "./places.ts";
import type { Places, Siblings } from "./siblings.ts";

export class OnlyChild implements Siblings {
  readonly index: number = 0;
  readonly count: number = 1;
  readonly secret: Uint8Array;
  protected readonly keepers = new Map<string, PlaceKeeper>();

  constructor(secret: Uint8Array) {
    this.secret = secret;
  }

  memory(name: string, sizeBytes: number): Places {
    let keeper = this.keepers.get(name);
    if (keeper === undefined) this.keepers.set(name, (keeper = new PlaceKeeper(sizeBytes)));
    return keeper;
  }

  /** A generation has ended, or came to nothing. */
  release(generation: number): void {
    for (const keeper of this.keepers.values()) keeper.release(generation);
  }

  tell(): void {}

  hear(): void {}

  ask(): Promise<readonly unknown[]> {
    return Promise.resolve([]);
  }

  answer(): void {}
}
