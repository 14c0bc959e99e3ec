/** What the key beside K is called that opens the palette, on this machine. */
export const COMMAND_KEY = navigator.userAgent.includes('Mac') ? '⌘' : 'Ctrl';
