import { defineConfig } from 'vitest/config';

// Tests import the packages as their users do, from dist: build first (`npm test` does). The files that run in one
// process share the modules of dist: loading them for each file took half of the processor time of the whole suite.
// The limits are for a machine with much else to do.
export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 10_000 } },
    isolate: false,
  },
});
