/** Short texts that people read in terminals and on pages: no control, escape or bidirectional characters. */
import { Type } from 'typebox';

export const PLAIN_PATTERN = '^[^\\u0000-\\u001f\\u007f-\\u009f\\u202a-\\u202e\\u2066-\\u2069]*$';

export const plainText = (maxLength: number, minLength = 0) =>
  Type.String({ minLength, maxLength, pattern: PLAIN_PATTERN });
