/** Formats numbers: short, stable in width, without false precision. */
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
  return Math.round(value) < 1_024 ? `${WHOLE.format(value)} MiB` : `${brief(value / 1_024, 100)} GiB`;
}

/** From bytes: 0 B, 12 KiB, 3.4 MiB */
export function bytes(value: number): string {
  if (value < 1_024) return `${WHOLE.format(value)} B`;
  const kib = value / 1_024;
  if (Math.round(kib) < 1_024) return `${brief(kib, 10)} KiB`;
  const mib = kib / 1_024;
  return mib < 10 ? `${brief(mib, 10)} MiB` : mebibytes(mib);
}

/** With one decimal below `few`, unless that is 0. */
function brief(value: number, few: number): string {
  return value < few ? ONE.format(value).replace(/\.0$/, '') : WHOLE.format(value);
}
