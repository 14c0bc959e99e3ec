// One app in the browser: nothing is rendered on a server, every path is answered with the same page.
export const ssr = false;
export const prerender = false;
