/** Checks against compiled schemas. For browsers see check-browser.ts. */
export { Check, checkDown } from '@rma/protocol/check';
