/**
 * What a module's configuration is made of: a schema for each key, with what counts where no directive says anything. The
 * names are zod's, and an object of zod does as well; but to load zod, to build some fifty objects with it and to parse with
 * each of them once was a third of the time from start to first answer (75 of 237 ms of CPU for `-t`, Bun 1.4.4).
 */

/** What zod's schemas have in common with those of this file. */
export interface AnySchema<T = unknown> {
  parse(value: unknown): T;
  safeParse(value: unknown): Parsed<T>;
}

export type Parsed<T> =
  | { readonly success: true; readonly data: T; readonly error?: never }
  | { readonly success: false; readonly data?: never; readonly error: SchemaFailure };

export interface SchemaFailure {
  readonly issues: readonly { readonly message: string }[];
}

/** The configuration of a module: one schema for each key. */
export interface AnyObject<T = unknown> extends AnySchema<T> {
  readonly shape: Readonly<Record<string, AnySchema>>;
}

/** What comes out of a schema. */
export type output<S> = S extends { parse(value: unknown): infer T } ? T : never;

/** What a transformation says of a value that it refuses. */
export interface TransformContext {
  addIssue(issue: { readonly code: "custom"; readonly message: string }): void;
}

/** What a transformation answers once it has refused. */
export const NEVER = undefined as never;

class SchemaError extends Error implements SchemaFailure {
  readonly issues: SchemaFailure["issues"];

  constructor(issues: SchemaFailure["issues"]) {
    super(issues.map((issue) => issue.message).join("; "));
    this.issues = issues;
  }
}

/** One value. */
export class Schema<T> implements AnySchema<T> {
  /** @throws SchemaError */
  readonly parse: (value: unknown) => T;

  constructor(parse: (value: unknown) => T) {
    this.parse = parse;
  }

  safeParse(value: unknown): Parsed<T> {
    try {
      return { success: true, data: this.parse(value) };
    } catch (error) {
      if (error instanceof SchemaError) return { success: false, error };
      throw error;
    }
  }

  /** What an absent value is. */
  default(value: T): Schema<T> {
    return new Schema((given) => (given === undefined ? value : this.parse(given)));
  }

  /** What an absent value is, before it is parsed. */
  prefault(value: unknown): Schema<T> {
    return new Schema((given) => this.parse(given === undefined ? value : given));
  }

  /** An absent value stays absent. */
  optional(): OptionalSchema<T> {
    return new OptionalSchema((given) => (given === undefined ? undefined : this.parse(given)));
  }

  /** Makes another value of it, or adds an issue and answers NEVER. */
  transform<U>(make: (value: T, context: TransformContext) => U): Schema<U> {
    return new Schema((given) => {
      const issues: { readonly message: string }[] = [];
      const made = make(this.parse(given), { addIssue: (issue) => void issues.push(issue) });
      if (issues.length > 0) throw new SchemaError(issues);
      return made;
    });
  }
}

/** A value that may be absent. */
export class OptionalSchema<T> extends Schema<T | undefined> {
  /** For the types alone: tells it from a schema whose values may be undefined. */
  declare readonly mayBeAbsent: true;
}

type Fields = Readonly<Record<string, AnySchema>>;
type Absent<F extends Fields> = { [K in keyof F]: F[K] extends { readonly mayBeAbsent: true } ? K : never }[keyof F];
type Values<F extends Fields> = { [K in Exclude<keyof F, Absent<F>>]: output<F[K]> } & {
  [K in Absent<F>]?: output<F[K]>;
};
type Flat<T> = { [K in keyof T]: T[K] };

/** An object: other keys are left out. */
export class ObjectSchema<F extends Fields> extends Schema<Flat<Values<F>>> {
  readonly shape: F;

  constructor(shape: F) {
    const keys = Object.keys(shape);
    super((given) => {
      if (typeof given !== "object" || given === null) throw unexpected("object", given);
      const made: Record<string, unknown> = {};
      for (const key of keys) {
        const value = shape[key]!.parse((given as Record<string, unknown>)[key]);
        if (value !== undefined || key in given) made[key] = value;
      }
      return made as Flat<Values<F>>;
    });
    this.shape = shape;
  }
}

export function object<F extends Fields>(shape: F): ObjectSchema<F> {
  return new ObjectSchema(shape);
}

export function string(): Schema<string> {
  return new Schema((given) => {
    if (typeof given !== "string") throw unexpected("string", given);
    return given;
  });
}

export function number(): Schema<number> {
  return new Schema((given) => {
    if (typeof given !== "number" || !Number.isFinite(given)) throw unexpected("number", given);
    return given;
  });
}

export function boolean(): Schema<boolean> {
  return new Schema((given) => {
    if (typeof given !== "boolean") throw unexpected("boolean", given);
    return given;
  });
}

/** What a directive's own function makes, and nothing checks again. */
export function custom<T>(): Schema<T> {
  return new Schema((given) => given as T);
}

export function array<T>(item: AnySchema<T>): Schema<T[]> {
  return new Schema((given) => {
    if (!Array.isArray(given)) throw unexpected("array", given);
    return given.map((one) => item.parse(one));
  });
}

function oneOf<const T extends string>(values: readonly T[]): Schema<T> {
  return new Schema((given) => {
    if (values.includes(given as T)) return given as T;
    throw new SchemaError([
      { message: `Invalid option: expected one of ${values.map((value) => `"${value}"`).join("|")}` },
    ]);
  });
}

export { oneOf as enum };

function unexpected(kind: string, given: unknown): SchemaError {
  const named = given === null || (typeof given === "number" && !Number.isFinite(given));
  const received = named ? String(given) : typeof given;
  return new SchemaError([{ message: `Invalid input: expected ${kind}, received ${received}` }]);
}
