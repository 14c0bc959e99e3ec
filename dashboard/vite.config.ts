import { sveltekit } from '@sveltejs/kit/vite';
import { defineConfig } from 'vite';

/** `npm run dev -w @rma/dashboard` shows the sources against a coordinator on its usual port, or that of RMA_URL. */
const coordinator = process.env.RMA_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [sveltekit()],
  build: { target: 'es2022' },
  server: {
    proxy: {
      '/api': { target: coordinator },
      '/ws': { target: coordinator, ws: true },
    },
  },
});
