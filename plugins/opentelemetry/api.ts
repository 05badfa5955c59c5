/**
 * As much of @opentelemetry/api as spans need. The package is optional: it is loaded where a configuration asks for it, and no
 * type of ours names it.
 * Source: OpenTelemetry API specification 1.x; Semantic Conventions for HTTP spans 1.23 and later
 */
import { createRequire } from "node:module";

/** Opaque: which span is the parent, and what else is passed on. */
export type Context = { readonly context: unique symbol };
export type Attributes = Record<string, string | number | boolean>;

export const SPAN_KIND = { internal: 0, server: 1, client: 2 } as const;
const STATUS_ERROR = 2;

export interface Span {
  setAttribute(key: string, value: string | number | boolean): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  /** @param endMs wall clock, milliseconds */
  end(endMs?: number): void;
}

interface Tracer {
  startSpan(name: string, options: { kind: number; startTime: number; attributes: Attributes }, context: Context): Span;
}

/** How fields are read of, and written to, what carries a context. */
export interface Getter<C> {
  keys(carrier: C): string[];
  get(carrier: C, key: string): string | undefined;
}
export interface Setter<C> {
  set(carrier: C, key: string, value: string): void;
}

export interface OpenTelemetry {
  readonly ROOT_CONTEXT: Context;
  readonly trace: {
    getTracer(name: string, version?: string): Tracer;
    setSpan(context: Context, span: Span): Context;
  };
  readonly propagation: {
    extract<C>(context: Context, carrier: C, getter: Getter<C>): Context;
    inject<C>(context: Context, carrier: C, setter: Setter<C>): void;
  };
}

/** @throws Error if the package is not installed */
export function loadOpenTelemetry(): OpenTelemetry {
  try {
    return createRequire(import.meta.url)("@opentelemetry/api") as OpenTelemetry;
  } catch {
    throw new Error("OpenTelemetry On needs the package @opentelemetry/api, which is not installed");
  }
}

export function failSpan(span: Span, type: string, message = ""): void {
  span.setAttribute("error.type", type);
  span.setStatus(message === "" ? { code: STATUS_ERROR } : { code: STATUS_ERROR, message });
}
