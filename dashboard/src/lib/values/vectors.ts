/** Figures and the bar plot of a vector, with a bounded number of bars. Pure. */
export interface VectorSummary {
  readonly dimensions: number;
  readonly length: number;
  readonly least: number;
  readonly most: number;
}

export function summarize(vector: readonly number[]): VectorSummary {
  let [sum, least, most] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const number of vector) {
    sum += number * number;
    least = Math.min(least, number);
    most = Math.max(most, number);
  }
  return { dimensions: vector.length, length: Math.sqrt(sum), least, most };
}

/**
 * The SVG path of a bar chart around the middle of a box: one bar per dimension, or, if there are more than `maxBars`,
 * one per group with its value of largest magnitude.
 */
export function barsPath(vector: readonly number[], width: number, height: number, maxBars: number): string {
  const bars = Math.min(vector.length, maxBars);
  const middle = height / 2;
  const farthest = vector.reduce((most, number) => Math.max(most, Math.abs(number)), 0) || 1;
  const step = width / bars;
  let path = '';
  for (let bar = 0; bar < bars; bar++) {
    const from = Math.floor((bar * vector.length) / bars);
    const to = Math.max(from + 1, Math.floor(((bar + 1) * vector.length) / bars));
    let value = 0;
    for (let i = from; i < to; i++) if (Math.abs(vector[i] ?? 0) >= Math.abs(value)) value = vector[i] ?? 0;
    const x = ((bar + 0.5) * step).toFixed(1);
    path += `M${x} ${middle}V${(middle - (value / farthest) * (middle - 1)).toFixed(1)}`;
  }
  return path;
}

/** Cosine similarity, 1 to -1; undefined for different lengths or a zero vector. */
export function cosine(a: readonly number[], b: readonly number[]): number | undefined {
  if (a.length !== b.length) return undefined;
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0];
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa === 0 || bb === 0 ? undefined : dot / Math.sqrt(aa * bb);
}
