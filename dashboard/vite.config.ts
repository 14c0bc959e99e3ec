import { sveltekit } from '@sveltejs/kit/vite';
import { defineConfig, type Plugin } from 'vite';

/** `npm run dev -w @rma/dashboard` shows the sources against a coordinator on its usual port, or that of RMA_URL. */
const coordinator = process.env.RMA_URL ?? 'http://127.0.0.1:8080';

/** What every page needs, in few files: sixty small ones cost more in headers than in contents. */
const GROUPS = [
  { name: 'icons', test: /node_modules[\\/]@lucide/ },
  { name: 'parts', test: /src[\\/]lib[\\/](ui[\\/](?!table|Drawer)|format|pool|events|theme)/ },
];

/** In the browser's build alone: SvelteKit's other one runs, in pieces, where there is no browser. */
const fewFiles: Plugin = {
  name: 'few-files',
  outputOptions(options) {
    return options.dir?.includes('client') ? { ...options, codeSplitting: { groups: GROUPS } } : undefined;
  },
};

export default defineConfig({
  plugins: [sveltekit(), fewFiles],
  build: { target: 'es2022' },
  server: {
    proxy: {
      '/api': { target: coordinator },
      '/ws': { target: coordinator, ws: true },
    },
  },
});
