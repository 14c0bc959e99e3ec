/** Holds values against the schemas of the manifests, as the JSON encoding writes them. */
import { valueToJson } from '@rma/protocol/payload';
import type { JsonSchema } from '@rma/workloads/manifest';
import { Check, Errors } from 'typebox/schema';

/** What a schema finds wrong with a value; empty where it fits. */
export function schemaProblems(schema: JsonSchema, value: unknown): string[] {
  const json = valueToJson(value);
  if (Check(schema, json)) return [];
  const [, errors] = Errors(schema, json);
  return errors.map(({ instancePath, message }) => `${instancePath || 'the value'} ${message}`);
}
