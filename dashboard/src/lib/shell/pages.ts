/** The pages of the dashboard: one table for navigation, palette and shortcuts. */
import Activity from '@lucide/svelte/icons/activity';
import Boxes from '@lucide/svelte/icons/boxes';
import KeyRound from '@lucide/svelte/icons/key-round';
import LayoutDashboard from '@lucide/svelte/icons/layout-dashboard';
import ListChecks from '@lucide/svelte/icons/list-checks';
import Play from '@lucide/svelte/icons/play';
import Server from '@lucide/svelte/icons/server';
import PlusSquare from '@lucide/svelte/icons/square-plus';
import type { Component } from 'svelte';

export interface Page {
  readonly href: string;
  readonly name: string;
  /** Pressed after `g`. */
  readonly key: string;
  readonly icon: Component<{ size?: number | string; 'aria-hidden'?: 'true' }>;
  readonly isForAdmins: boolean;
  /** More search words. */
  readonly words: string;
}

export const PAGES: readonly Page[] = [
  { href: '/', name: 'Overview', key: 'o', icon: LayoutDashboard, isForAdmins: false, words: 'home pool live' },
  { href: '/workers', name: 'Workers', key: 'w', icon: Server, isForAdmins: false, words: 'machines nodes gpu' },
  { href: '/tasks', name: 'Tasks', key: 't', icon: ListChecks, isForAdmins: false, words: 'jobs queue' },
  { href: '/try', name: 'Try it', key: 'r', icon: Play, isForAdmins: false, words: 'submit run playground' },
  {
    href: '/workloads',
    name: 'Workloads',
    key: 'l',
    icon: Boxes,
    isForAdmins: true,
    words: 'catalogue placement services',
  },
  {
    href: '/add',
    name: 'Add a machine',
    key: 'a',
    icon: PlusSquare,
    isForAdmins: true,
    words: 'join donor worker token',
  },
  { href: '/access', name: 'Access', key: 'k', icon: KeyRound, isForAdmins: true, words: 'tokens audit log keys' },
  { href: '/events', name: 'Events', key: 'e', icon: Activity, isForAdmins: false, words: 'log history' },
];

/** Whether the path is the page or one below it. */
export function isAt(page: Page, path: string): boolean {
  return page.href === '/' ? path === '/' : path === page.href || path.startsWith(`${page.href}/`);
}
