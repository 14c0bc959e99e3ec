/**
 * Turns the output of several programs into lines that say whose they are. Structured log lines (pino) are
 * shown as people read them: time, level where it matters, message, fields.
 */
const COLOURS = { cyan: 36, magenta: 35, yellow: 33, red: 31, dim: 2, bold: 1 };
const LEVELS = new Map([
  [40, 'warn'],
  [50, 'error'],
  [60, 'fatal'],
]);
/** Fields that every line of a pino log has and nobody needs here. */
const ROUTINE = new Set(['level', 'time', 'pid', 'hostname', 'msg', 'name', 'v']);

/**
 * @param {NodeJS.WriteStream} stream
 * @returns {(colour: keyof typeof COLOURS, text: string) => string} which colours only where the stream shows colours
 */
export function painter(stream) {
  const colours = stream.isTTY === true && process.env.NO_COLOR === undefined;
  return (colour, text) => (colours ? `\x1b[${COLOURS[colour]}m${text}\x1b[0m` : text);
}

/**
 * Calls `onLine` for each line of a stream, a last one without its end included.
 * @param {import('node:stream').Readable} stream
 * @param {(line: string) => void} onLine
 */
export function eachLine(stream, onLine) {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (/** @type {string} */ text) => {
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  });
  stream.on('end', () => {
    if (rest !== '') onLine(rest);
    rest = '';
  });
}

/**
 * @param {string} line as a program wrote it
 * @returns {string} the same for people; anything but a pino line stays as it is
 */
export function readable(line) {
  const record = parse(line);
  if (record === undefined) return line;
  const time = new Date(Number(record.time)).toTimeString().slice(0, 8);
  const level = LEVELS.get(Number(record.level));
  const fields = Object.entries(record)
    .filter(([key]) => !ROUTINE.has(key))
    .map(([key, value]) => `${key}=${show(value)}`);
  return [time, ...(level === undefined ? [] : [level]), record.msg, ...fields].join(' ').trimEnd();
}

/** @param {string} line @returns {Record<string, unknown> | undefined} */
function parse(line) {
  if (!line.startsWith('{"level":')) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** @param {unknown} value */
function show(value) {
  if (typeof value !== 'object' || value === null) return String(value);
  if ('message' in value && typeof value.message === 'string') return JSON.stringify(value.message);
  return JSON.stringify(value);
}
