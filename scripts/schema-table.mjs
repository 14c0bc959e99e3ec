/** JSON Schema to Markdown: the field tables of PROTOCOL.md. A named schema becomes a link, any other is written out. */

/**
 * @typedef {{
 *   type?: string, const?: unknown, enum?: unknown[], anyOf?: Schema[], allOf?: Schema[], items?: Schema,
 *   properties?: Record<string, Schema>, patternProperties?: Record<string, Schema>, required?: string[],
 *   pattern?: string, minimum?: number, exclusiveMinimum?: number, maximum?: number, minLength?: number, maxLength?: number,
 *   minItems?: number, maxItems?: number, maxProperties?: number, description?: string, payload?: boolean,
 * }} Schema
 * @typedef {{name: string, optional: boolean, schema: Schema}} Field
 */

/** Names of schemas, looked up by content: making a schema optional copies it, so identity is lost. */
export class Names {
  /** @type {Map<string, string>} */
  #exact = new Map();
  /** @type {Map<string, string>} */
  #alike = new Map();

  /** @param {Record<string, unknown>} schemas */
  constructor(schemas) {
    for (const [name, value] of Object.entries(schemas)) {
      const schema = /** @type {Schema} */ (value);
      this.#exact.set(fingerprint(schema, true), name);
      // Two numbers with equal bounds may be unrelated; a pattern, a list of words or a shape identifies its schema.
      const isDistinctive = schema.pattern ?? schema.enum ?? schema.properties ?? schema.allOf ?? schema.anyOf;
      if (isDistinctive && !this.#alike.has(fingerprint(schema, false)))
        this.#alike.set(fingerprint(schema, false), name);
    }
    this.schemas = schemas;
  }

  /** A field's description, unless it is that of its named type. @param {Schema} schema */
  meaning(schema) {
    const name = this.of(schema);
    const own = name === undefined ? undefined : /** @type {Schema} */ (this.schemas[name]).description;
    return schema.payload || schema.description === own ? '' : (schema.description ?? '');
  }

  /** @param {Schema} schema */
  of(schema) {
    return this.#exact.get(fingerprint(schema, true)) ?? this.#alike.get(fingerprint(schema, false));
  }
}

/**
 * @param {unknown} schema
 * @param {boolean} withDescription
 */
function fingerprint(schema, withDescription) {
  const { description, ...rest } = /** @type {Schema} */ (schema);
  return JSON.stringify(withDescription ? [description, rest] : rest);
}

/**
 * A table of an object's fields; fields of nameless objects inside it follow with dotted names.
 * @param {Schema} schema
 * @param {Names} names
 */
export function fieldTable(schema, names) {
  const fields = fieldsOf(schema, '').filter(
    ({ name }) => name !== 'type' || schema.properties?.type?.const === undefined,
  );
  if (fields.length === 0) return 'It has no fields besides `type`.';
  const rows = fields.flatMap((field) => rowsOf(field, names));
  return ['| field | type | meaning |', '|---|---|---|', ...rows].join('\n');
}

/**
 * @param {Schema} schema
 * @param {string} prefix
 * @returns {Field[]}
 */
function fieldsOf(schema, prefix) {
  return (schema.allOf ?? [schema]).flatMap((part) =>
    Object.entries(part.properties ?? {}).map(([name, field]) => ({
      name: prefix + name,
      optional: !part.required?.includes(name),
      schema: field,
    })),
  );
}

/**
 * @param {Field} field
 * @param {Names} names
 * @returns {string[]}
 */
function rowsOf({ name, optional, schema }, names) {
  const limits = bounds(schema, names);
  const cells = [
    `\`${name}\`${optional ? ' (optional)' : ''}`,
    `${typeOf(schema, names)}${limits === '' ? '' : `, ${limits}`}`,
    names.meaning(schema),
  ];
  const item = schema.items ?? schema;
  const inside = names.of(schema) || names.of(item) ? [] : fieldsOf(item, `${name}${schema.items ? '[]' : ''}.`);
  return [`| ${cells.join(' | ')} |`, ...inside.flatMap((field) => rowsOf(field, names))];
}

/**
 * @param {Schema} schema
 * @param {Names} names
 * @returns {string}
 */
export function typeOf(schema, names) {
  if (schema.payload) return 'payload';
  const name = names.of(schema);
  if (name) return `[${name}](#${name.toLowerCase()})`;
  return shapeOf(schema, names);
}

/**
 * The shape of a schema, not its own name.
 * @param {Schema} schema
 * @param {Names} names
 * @returns {string}
 */
export function shapeOf(schema, names) {
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum) return schema.enum.map((word) => `\`${JSON.stringify(word)}\``).join(', ');
  if (schema.anyOf) return schema.anyOf.map((one) => typeOf(one, names)).join(' or ');
  if (schema.items) return `list of ${typeOf(schema.items, names)}`;
  if (schema.patternProperties) {
    return `map of string to ${Object.values(schema.patternProperties)
      .map((one) => typeOf(one, names))
      .join(' or ')}`;
  }
  if (schema.allOf || schema.type === 'object') return 'map';
  return schema.type ?? 'any value';
}

/**
 * @param {Schema} schema
 * @param {Names} [names] with them, a named schema has no bounds here: its own entry gives them
 */
export function bounds(schema, names) {
  if (names?.of(schema)) return '';
  const { minimum, exclusiveMinimum, maximum, minItems, maxItems, minLength, maxLength, pattern } = schema;
  const text = [
    range(minimum ?? exclusiveMinimum, maximum, '', exclusiveMinimum !== undefined),
    range(minItems, maxItems, ' items'),
    range(minLength, maxLength, ' characters'),
    schema.maxProperties === undefined ? '' : `at most ${schema.maxProperties} entries`,
    patternText(pattern),
  ].filter((part) => part !== '');
  const inner = schema.patternProperties ? Object.entries(schema.patternProperties) : [];
  for (const [key, value] of inner) {
    if (key !== '^.*$') text.push(`keys \`${key.replaceAll('|', '\\|')}\``);
    const values = bounds(value, names);
    if (values !== '') text.push(`values ${values}`);
  }
  if (schema.items) {
    const each = bounds(schema.items, names);
    if (each !== '') text.push(`each ${each}`);
  }
  return text.join(', ');
}

/** @param {string | undefined} pattern */
function patternText(pattern) {
  if (pattern === undefined) return '';
  return pattern.includes('u0000') ? 'without control characters' : `\`${pattern.replaceAll('|', '\\|')}\``;
}

/**
 * @param {number | undefined} least
 * @param {number | undefined} most
 * @param {string} unit
 * @param {boolean} [above] `least` is exclusive
 */
function range(least, most, unit, above = false) {
  if (least === undefined && most === undefined) return '';
  if (most === undefined) return `${above ? 'above' : 'at least'} ${least}${unit}`;
  if (least === undefined) return `at most ${most}${unit}`;
  return `${above ? 'above ' : ''}${least} to ${most}${unit}`;
}
