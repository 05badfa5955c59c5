/**
 * One child, in the event loop of the program itself: no threads.
 */
import type { OnlyChild } from "../core/only_child.ts";
import type { FailedReloads } from "../core/records.ts";
import type { Loaded } from "../server/load.ts";
import type { ListenSpec } from "../server/mod_core.ts";
import { Child } from "./child.ts";
import type { Children } from "./children.ts";
import type { Inherited } from "./inherited.ts";

export class SingleChild implements Children {
  private readonly child: Child;

  constructor(first: Loaded, siblings: OnlyChild, inherited: Inherited) {
    const ways = { fdOf: (spec: ListenSpec) => inherited.fdOf(spec) };
    this.child = new Child(first, ways, (generation) => siblings.release(generation));
  }

  async start(): Promise<readonly string[]> {
    return [];
  }

  open(): Promise<readonly string[]> {
    return this.child.open();
  }

  begin(): void {
    this.child.begin();
  }

  async exchange(next: Loaded): Promise<readonly string[]> {
    const failures = await this.child.open(next);
    if (failures.length > 0) this.child.abandon(next);
    else this.child.exchange(next);
    return failures;
  }

  reloadFailed(failed: FailedReloads): void {
    this.child.reloadFailed(failed);
  }

  async stop(): Promise<void> {
    this.child.stop();
    await this.child.end();
  }

  async drain(): Promise<boolean> {
    const whole = await this.child.drain();
    await this.child.end();
    return whole;
  }
}
