/** One column of a table whose rows are records, under the rows' own names. */
export function column<T extends Readonly<Record<string, object>>, C extends keyof T[keyof T]>(
  table: T,
  name: C,
): { readonly [R in keyof T]: T[R][C] } {
  return Object.fromEntries(
    Object.entries(table).map(([row, record]) => [row, (record as Record<PropertyKey, unknown>)[name]]),
  ) as { readonly [R in keyof T]: T[R][C] };
}
