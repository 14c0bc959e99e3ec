/** The modifier key of the palette's shortcut on this machine. */
export const COMMAND_KEY = navigator.userAgent.includes('Mac') ? '⌘' : 'Ctrl';
