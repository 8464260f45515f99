import type { Component } from 'svelte';
import { session, type Right } from '$api/session.svelte';
import { t } from '$kit/i18n';
import ArrowLeftRight from '@lucide/svelte/icons/arrow-left-right';
import Gauge from '@lucide/svelte/icons/gauge';
import Globe from '@lucide/svelte/icons/globe';
import Send from '@lucide/svelte/icons/send';
import Server from '@lucide/svelte/icons/server';
import ShieldCheck from '@lucide/svelte/icons/shield-check';
import Users from '@lucide/svelte/icons/users';
import { groups } from './routes';

export interface NavItem {
  group: keyof typeof groups;
  label: string;
  href: string;
  icon: Component<any>;
  right: Right;
  // The second key of the shortcut: g then this.
  key: string;
}

const items: NavItem[] = [
  { group: 'overview', label: t('Overview'), href: '/admin/', icon: Gauge, right: 'see', key: 'o' },
  { group: 'mail', label: t('Mail flow'), href: '/admin/mail', icon: ArrowLeftRight, right: 'see', key: 'm' },
  { group: 'domains', label: t('Domains'), href: '/admin/domains', icon: Globe, right: 'people', key: 'd' },
  { group: 'people', label: t('People'), href: '/admin/people', icon: Users, right: 'see', key: 'p' },
  { group: 'deliverability', label: t('Deliverability'), href: '/admin/deliverability', icon: Send, right: 'see', key: 'l' },
  { group: 'security', label: t('Security'), href: '/admin/security', icon: ShieldCheck, right: 'people', key: 's' },
  { group: 'system', label: t('System'), href: '/admin/system', icon: Server, right: 'see', key: 'y' },
];

// navigation is what this person may see of it.
export const navigation = (): NavItem[] => items.filter((item) => groups[item.group].length > 0 && session.may(item.right));

export function isCurrent(item: NavItem, path: string): boolean {
  const clean = path.replace(/\/+$/, '');
  if (item.group === 'overview') return clean === '/admin';
  return clean === item.href || clean.startsWith(`${item.href}/`);
}
