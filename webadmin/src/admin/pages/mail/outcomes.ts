import type { Trace } from '$api/types';
import { t } from '$kit/i18n';
import type { StateName } from '$kit/states';
import type { Component } from 'svelte';
import Ban from '@lucide/svelte/icons/ban';
import Clock from '@lucide/svelte/icons/clock';
import ClockAlert from '@lucide/svelte/icons/clock-alert';
import ArchiveX from '@lucide/svelte/icons/archive-x';
import ShieldAlert from '@lucide/svelte/icons/shield-alert';
import Unplug from '@lucide/svelte/icons/unplug';

export interface Outcome {
  state: StateName;
  word: string;
  icon?: Component<any>;
}

// outcome says how a message fared. A refusal is our work when mail comes in, and trouble when it goes out.
export function outcome(trace: Pick<Trace, 'direction' | 'outcome' | 'status' | 'junk' | 'quarantined'>): Outcome {
  const incoming = trace.direction === 'in';
  if (trace.junk) return { state: 'unknown', word: t('Filed as junk'), icon: ArchiveX };
  if (trace.quarantined) return { state: 'warn', word: t('Quarantined'), icon: ShieldAlert };
  switch (trace.outcome) {
    case 'delivered':
      return { state: 'ok', word: t('Delivered') };
    case 'accepted':
      return trace.direction === 'out' ? { state: 'info', word: t('In the queue'), icon: Clock } : { state: 'ok', word: t('Accepted') };
    case 'refused':
      if (!incoming) return { state: 'fail', word: t('Refused') };
      return trace.status?.startsWith('4') ? { state: 'unknown', word: t('Asked to retry'), icon: Clock } : { state: 'unknown', word: t('Refused'), icon: Ban };
    case 'deferred':
      return { state: 'warn', word: t('Will retry'), icon: ClockAlert };
    case 'bounced':
      return { state: 'fail', word: t('Bounced') };
    case 'aborted':
      return { state: 'unknown', word: t('Broken off'), icon: Unplug };
    case 'cancelled':
      return { state: 'unknown', word: t('Cancelled'), icon: Ban };
    case undefined:
    case '':
      return { state: 'info', word: t('Under way'), icon: Clock };
    default:
      return { state: 'unknown', word: trace.outcome };
  }
}

export const outcomeChoices = (): { value: string; label: string }[] => [
  { value: '', label: t('Any outcome') },
  { value: 'accepted', label: t('Accepted') },
  { value: 'delivered', label: t('Delivered') },
  { value: 'deferred', label: t('Will retry') },
  { value: 'bounced', label: t('Bounced') },
  { value: 'refused', label: t('Refused') },
  { value: 'aborted', label: t('Broken off') },
  { value: 'cancelled', label: t('Cancelled') },
];

// sender is the reverse-path; reports have none, so that nobody answers them.
export const sender = (trace: Pick<Trace, 'from'>): string => trace.from || t('Report (no sender)');

export const directionChoices = (): { value: string; label: string }[] => [
  { value: '', label: t('In and out') },
  { value: 'in', label: t('Incoming') },
  { value: 'out', label: t('Outgoing') },
  { value: 'local', label: t('Within this server') },
];

export function directionWord(direction = ''): string {
  return directionChoices().find((choice) => choice.value === direction && direction)?.label ?? '';
}
