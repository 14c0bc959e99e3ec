import adapter from '@sveltejs/adapter-static';

/** @type {import('@sveltejs/kit').Config} */
export default {
  kit: {
    // Every path is a page of one app; the coordinator serves the files, compressed as they are built here.
    adapter: adapter({ fallback: 'index.html', precompress: true, strict: false }),
    // Another version is told by the coordinator's `welcome`, over the socket: nothing polls.
    version: { pollInterval: 0 },
    output: { preloadStrategy: 'modulepreload' },
    files: { assets: 'static' },
  },
};
