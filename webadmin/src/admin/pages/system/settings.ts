import type { Schemas } from '$api/types';
import { t } from '$kit/i18n';

// Settings, grouped by what somebody wants to do.

export type Setting = Schemas['Setting'];

// Beginnings of names, by task, in the order of the page.
const tasks: { title: string; names: string[] }[] = [
  { title: t('This server'), names: ['server.', 'postmaster', 'checks.', 'alerts.', 'acme.', 'certificate.'] },
  { title: t('People and passwords'), names: ['account.', 'password.', 'session.'] },
  { title: t('Mail that comes in'), names: ['message.', 'inbound.', 'greylist.', 'junk.', 'dnsbl.'] },
  { title: t('Mail that goes out'), names: ['submission.', 'relay.', 'queue.', 'outbound.'] },
  { title: t('Limits'), names: ['limits.', 'memory.'] },
  { title: t('Storage and history'), names: ['mailbox.', 'store.', 'trace.', 'search.', 'metrics.', 'log.'] },
];

export interface SettingGroup {
  title: string;
  settings: Setting[];
}

// groupSettings leaves out groups without settings; what belongs to no task comes last.
export function groupSettings(settings: Setting[]): SettingGroup[] {
  const taskOf = (setting: Setting) => tasks.find((task) => task.names.some((start) => setting.name.startsWith(start)))?.title ?? t('Other');
  const titles = [...tasks.map((task) => task.title), t('Other')];
  return titles.map((title) => ({ title, settings: settings.filter((setting) => taskOf(setting) === title) })).filter((group) => group.settings.length);
}

// findSettings keeps those that have all words of a search in their name, description or value.
export function findSettings(settings: Setting[], text: string): Setting[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return settings.filter((setting) => {
    const all = `${setting.name} ${setting.doc} ${setting.value}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
}

export const isSecret = (setting: Setting): boolean => setting.value === '[set]' || setting.name.endsWith('.password');
export const isSwitch = (setting: Setting): boolean => setting.kind === 'true or false';

// valueText is a value as it is shown: what is empty or on and off says so.
export function valueText(setting: Setting, value = setting.value): string {
  if (isSwitch(setting)) return value === 'true' ? t('on') : t('off');
  if (value === '[set]') return t('set, not shown');
  return value || t('empty');
}
