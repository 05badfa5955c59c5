/**
 * A configuration as an object of TypeScript: what the YAML form is, with completion.
 */

/** A directive's argument line, its key=value pairs, a section's body, or a list of any of them. */
export type ConfigValue = string | number | boolean | null | ConfigObject | readonly ConfigValue[];

export interface ConfigObject {
  readonly [directive: string]: ConfigValue | undefined;
}

/** `key=value` of ProxyPass, BalancerMember and ProxySet; more are as in the file. */
export interface WorkerParameters extends ConfigObject {
  readonly route?: string;
  readonly loadfactor?: number | string;
  readonly lbset?: number;
  readonly retry?: number | string;
  readonly timeout?: number | string;
  readonly max?: number;
  readonly status?: string;
}

export interface Member extends WorkerParameters {
  readonly url: string;
}

/** The body of a `balancer://` section. */
export interface BalancerSection extends ConfigObject {
  readonly balancerMember?: string | Member | readonly (string | Member)[];
  readonly proxySet?: string | (WorkerParameters & { readonly lbmethod?: string; readonly stickysession?: string });
}

/** A server's directives. Any other directive may stand here by its name. */
export interface SluiceConfig extends ConfigObject {
  readonly serverName?: string;
  readonly listen?: number | string | readonly (number | string)[];
  readonly proxy?: { readonly [url: string]: BalancerSection | ConfigObject };
  /** "/path URL key=value ...", or a list of such lines. */
  readonly proxyPass?: string | readonly string[];
  readonly proxyPassReverse?: string | readonly string[];
  readonly proxyPreserveHost?: boolean;
  readonly proxyTimeout?: number | string;
  readonly location?: { readonly [path: string]: ConfigObject };
  readonly virtualHost?: ConfigValue;
  readonly header?: string | readonly string[];
  readonly requestHeader?: string | readonly string[];
  readonly logLevel?: string;
}

/** Answers its argument: it is there for its type. */
export function defineConfig(config: SluiceConfig): SluiceConfig {
  return config;
}
