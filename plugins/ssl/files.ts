/**
 * The files that a scope names, and what stands in them now.
 */
import type { PemAt, SslConfig } from "./config.ts";

/** What stands in files now, by path. */
export type Texts = ReadonlyMap<string, string>;

/** The files that a scope names. */
export function filesOf(conf: SslConfig): PemAt[] {
  const { certFiles, keyFiles, chainFile, ca, caNames, proxyCa, machine, machineChain } = conf;
  const single = [chainFile, machine, machineChain].filter((file) => file !== undefined);
  return [...certFiles, ...keyFiles, ...ca, ...caNames, ...proxyCa, ...single];
}

/** A scope with what stands in its files now. */
export function withTexts(conf: SslConfig, texts: Texts): SslConfig {
  const now = (file: PemAt): PemAt => ({ ...file, text: texts.get(file.path) ?? file.text });
  return {
    ...conf,
    certFiles: conf.certFiles.map(now),
    keyFiles: conf.keyFiles.map(now),
    chainFile: conf.chainFile && now(conf.chainFile),
    ca: conf.ca.map(now),
    caNames: conf.caNames.map(now),
    proxyCa: conf.proxyCa.map(now),
    machine: conf.machine && now(conf.machine),
    machineChain: conf.machineChain && now(conf.machineChain),
  };
}
