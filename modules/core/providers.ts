/**
 * Provider groups: named implementations of one interface, looked up by the name that a configuration gives.
 * Source: httpd include/ap_provider.h
 */

/** The typed key of a group, exported by the file that declares it. */
export interface ProviderGroup<T> {
  readonly name: string;
  readonly provides?: T;
}

/** Declares a group, such as "lbmethod". */
export function providerGroup<T>(name: string): ProviderGroup<T> {
  return { name };
}

/** The providers of one server. */
export class Providers {
  private readonly groups = new Map<string, Map<string, unknown>>();

  /** Adds a provider; a later one of the same name replaces it. */
  register<T>(group: ProviderGroup<T>, name: string, provider: T): void {
    const providers = this.groups.get(group.name) ?? new Map<string, unknown>();
    providers.set(name, provider);
    this.groups.set(group.name, providers);
  }

  /** The provider of that name (case matters, as in httpd), or undefined. */
  lookup<T>(group: ProviderGroup<T>, name: string): T | undefined {
    return this.groups.get(group.name)?.get(name) as T | undefined;
  }

  has(group: string, name: string): boolean {
    return this.groups.get(group)?.has(name) === true;
  }

  /** The names in a group, in the order of registration. */
  names(group: ProviderGroup<unknown>): string[] {
    return [...(this.groups.get(group.name)?.keys() ?? [])];
  }
}
