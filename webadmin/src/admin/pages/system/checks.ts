import type { Check, State } from '$api/types';
import { t } from '$kit/i18n';

const titles: Record<string, string> = {
  network: t('The network, and how others see this server'),
  names: t('Names and certificates'),
  host: t('This machine'),
  mail: t('Mail'),
};

export const groupTitle = (name: string): string => titles[name] ?? name;

export interface CheckGroup {
  name: string;
  checks: Check[];
}

const rank: Record<State, number> = { fail: 0, warn: 1, unknown: 2, ok: 3 };

// groupChecks puts checks together by group, the worst first.
export function groupChecks(checks: Check[]): CheckGroup[] {
  const groups = new Map<string, Check[]>();
  for (const check of checks) groups.set(check.group, [...(groups.get(check.group) ?? []), check]);
  const all = [...groups].map(([name, list]) => ({ name, checks: list.sort((a, b) => rank[a.state] - rank[b.state]) }));
  return all.sort((a, b) => rank[worst(a.checks)] - rank[worst(b.checks)]);
}

// worst is the state of a group: that of its worst check which is not muted.
export function worst(checks: Check[]): State {
  return checks.filter((check) => !check.mutedUntil).reduce<State>((state, check) => (rank[check.state] < rank[state] ? check.state : state), 'ok');
}
