/** Which host names can only mean this machine, so that a token may cross in the clear. */

/** @param hostname as `URL.hostname` gives it */
export function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '[::1]' ||
    /^127\.\d+\.\d+\.\d+$/.test(hostname)
  );
}
