/** Numbers for people: short, stable in width, never more exact than they are. */
const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const SHORT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const ONE = new Intl.NumberFormat('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** 12,345 */
export function whole(value: number): string {
  return WHOLE.format(value);
}

/** 999, 1.2K, 3.4M */
export function compact(value: number): string {
  return Math.abs(value) < 1_000 ? WHOLE.format(value) : SHORT.format(value);
}

/** A rate a second: 0, 0.4, 12, 1.2K */
export function rate(perSecond: number): string {
  if (perSecond === 0) return '0';
  if (perSecond < 0.05) return '< 0.1';
  return perSecond < 10 ? ONE.format(perSecond) : compact(perSecond);
}

/** @param share 0 to 1 */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** "1 worker", "12 workers" */
export function count(value: number, one: string, many = `${one}s`): string {
  return `${WHOLE.format(value)} ${value === 1 ? one : many}`;
}

/** From MiB: 512 MiB, 15.5 GiB */
export function mebibytes(value: number): string {
  if (value < 1_024) return `${WHOLE.format(value)} MiB`;
  const gib = value / 1_024;
  return `${gib < 100 ? ONE.format(gib).replace(/\.0$/, '') : WHOLE.format(gib)} GiB`;
}

/** From bytes: 0 B, 12 KiB, 3.4 MiB */
export function bytes(value: number): string {
  if (value < 1_024) return `${WHOLE.format(value)} B`;
  const kib = value / 1_024;
  if (kib < 1_024) return `${kib < 10 ? ONE.format(kib) : WHOLE.format(kib)} KiB`;
  return mebibytes(kib / 1_024 < 10 ? Math.round((kib / 1_024) * 10) / 10 : Math.round(kib / 1_024));
}
