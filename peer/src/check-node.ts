/** What comes is held against its schema, compiled. For browsers see check-browser.ts. */
export { Check, checkDown } from '@rma/protocol/check';
