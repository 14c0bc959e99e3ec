/**
 * Tables of whole records, whose columns are declared once: a codec for each field. Column names, the row's type, the
 * upsert and both conversions are derived, so that a field without a codec does not compile.
 */

export type SqlValue = string | number | Uint8Array | null;
export type Row = Record<string, SqlValue>;

/** How a field is stored. */
export interface Codec<T> {
  encode(value: T): SqlValue;
  decode(stored: SqlValue): T;
  /**
   * What a row has that was journalled before the column existed: the default of its migration. The columns of the first
   * migration have none.
   */
  readonly absent?: SqlValue;
}

/** Stored as it is. */
export function plain<T extends SqlValue>(): Codec<T> {
  return { encode: (value) => value, decode: (stored) => stored as T };
}

/** As JSON; null stays NULL. */
export function json<T>(): Codec<T> {
  return {
    encode: (value) => (value === null ? null : JSON.stringify(value)),
    decode: (stored) => (stored === null ? null : JSON.parse(stored as string)) as T,
  };
}

/** As 0 or 1. */
export const flag: Codec<boolean> = { encode: Number, decode: (stored) => stored !== 0 };

export interface Table<R> {
  readonly name: string;
  /** Named parameters, as in `encode`'s answer: the order of the table's columns does not matter. */
  readonly upsertSql: string;
  encode(record: R): Row;
  decode(row: Row): R;
  /** A journalled row with the columns that it lacks. */
  complete(row: Row): Row;
}

/** @param codecs by field; `fieldName` is stored as `field_name` */
export function defineTable<R extends object>(
  name: string,
  codecs: { readonly [K in keyof R]-?: Codec<R[K]> },
): Table<R> {
  const fields = Object.entries(codecs as Record<string, Codec<unknown>>).map(([field, codec]) => ({
    field,
    column: field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    codec,
  }));
  const columns = fields.map(({ column }) => column);
  return {
    name,
    upsertSql: `INSERT OR REPLACE INTO ${name} (${columns.join(', ')}) VALUES (:${columns.join(', :')})`,
    encode(record) {
      const row: Row = {};
      for (const { field, column, codec } of fields) row[column] = codec.encode(record[field as keyof R]);
      return row;
    },
    decode(row) {
      const record: Record<string, unknown> = {};
      for (const { field, column, codec } of fields) record[field] = codec.decode(row[column]!);
      return record as R;
    },
    complete(row) {
      const whole = { ...row };
      for (const { column, codec } of fields) if (whole[column] === undefined) whole[column] = codec.absent ?? null;
      return whole;
    },
  };
}
