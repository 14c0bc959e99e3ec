import { defineConfig } from 'vitest/config';

// Tests import the packages as their users do, from dist: build first (`npm test` does).
export default defineConfig({
  test: { include: ['tests/**/*.test.ts'], testTimeout: 30_000, hookTimeout: 30_000 },
});
