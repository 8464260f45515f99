import type { Trace } from '$api/types';
import { t } from '$kit/i18n';
import type { StateName } from '$kit/states';
import type { Component } from 'svelte';
import Ban from '@lucide/svelte/icons/ban';
import CirclePause from '@lucide/svelte/icons/circle-pause';
import Clock from '@lucide/svelte/icons/clock';
import ClockAlert from '@lucide/svelte/icons/clock-alert';
import ArchiveX from '@lucide/svelte/icons/archive-x';
import Trash2 from '@lucide/svelte/icons/trash-2';

export interface Outcome {
  state: StateName;
  word: string;
  icon?: Component<any>;
}

// outcome says how a message fared. A refusal is our work when mail comes in, and trouble when it goes out.
export function outcome(trace: Pick<Trace, 'direction' | 'outcome'>): Outcome {
  const incoming = trace.direction === 'in';
  switch (trace.outcome) {
    case 'delivered':
      return { state: 'ok', word: t('Delivered') };
    case 'accepted':
      return { state: 'ok', word: t('Accepted') };
    case 'queued':
      return { state: 'info', word: t('In the queue'), icon: Clock };
    case 'relayed':
      return { state: 'ok', word: t('Relayed') };
    case 'junk':
      return { state: 'unknown', word: t('Filed as junk'), icon: ArchiveX };
    case 'refused':
      return incoming ? { state: 'unknown', word: t('Refused'), icon: Ban } : { state: 'fail', word: t('Refused') };
    case 'greylisted':
      return { state: 'unknown', word: t('Asked to retry'), icon: Clock };
    case 'deferred':
      return incoming ? { state: 'unknown', word: t('Asked to retry'), icon: Clock } : { state: 'warn', word: t('Will retry'), icon: ClockAlert };
    case 'bounced':
      return { state: 'fail', word: t('Bounced') };
    case 'expired':
      return { state: 'fail', word: t('Gave up') };
    case 'held':
      return { state: 'warn', word: t('Held'), icon: CirclePause };
    case 'cancelled':
      return { state: 'unknown', word: t('Cancelled'), icon: Ban };
    case 'discarded':
      return { state: 'unknown', word: t('Discarded by a filter'), icon: Trash2 };
    case undefined:
    case '':
      return { state: 'info', word: t('Under way') };
    default:
      return { state: 'unknown', word: trace.outcome };
  }
}

export const outcomeChoices = (): { value: string; label: string }[] => [
  { value: '', label: t('Any outcome') },
  { value: 'delivered', label: t('Delivered') },
  { value: 'deferred', label: t('Will retry') },
  { value: 'bounced', label: t('Bounced') },
  { value: 'refused', label: t('Refused') },
  { value: 'junk', label: t('Filed as junk') },
];

export const directionChoices = (): { value: string; label: string }[] => [
  { value: '', label: t('In and out') },
  { value: 'in', label: t('Incoming') },
  { value: 'out', label: t('Outgoing') },
  { value: 'local', label: t('Within this server') },
];

export function directionWord(direction = ''): string {
  return directionChoices().find((choice) => choice.value === direction && direction)?.label ?? '';
}
