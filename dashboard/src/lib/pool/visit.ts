/**
 * A localStorage marker, shared by all tabs, that somebody is signed in: it distinguishes an ended session from a first
 * visit, and notifies other tabs of sign-ins and sign-outs. Never holds a credential.
 */
const KEY = 'rma.signed-in';

export function rememberVisit(subject: string): void {
  write(() => localStorage.setItem(KEY, subject));
}

export function forgetVisit(): void {
  write(() => localStorage.removeItem(KEY));
}

/** Whether somebody was signed in here and never signed out. */
export function isReturning(): boolean {
  try {
    return localStorage.getItem(KEY) !== null;
  } catch {
    return false;
  }
}

/** Calls `change` when another tab signed in (with its subject) or out (null). @returns unsubscribes */
export function onOtherTab(change: (subject: string | null) => void): () => void {
  const onStorage = (event: StorageEvent) => {
    if (event.key === KEY && event.newValue !== event.oldValue) change(event.newValue);
  };
  addEventListener('storage', onStorage);
  return () => removeEventListener('storage', onStorage);
}

/** Storage may be disabled: tabs then do not notify each other. */
function write(change: () => void): void {
  try {
    change();
  } catch (error) {
    console.info('localStorage is not available', error);
  }
}
