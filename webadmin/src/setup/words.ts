import type { StateName } from '$kit/states';
import { t } from '$kit/i18n';
import type { StepState } from './types';

// titleOf names a step in the list of steps, in the reader's language.
export function titleOf(id: string): string {
  const titles: Record<string, string> = {
    start: t('Start'),
    you: t('You'),
    server: t('Server check'),
    dns: t('DNS'),
    certificate: t('Certificate'),
    mail: t('First mail'),
    done: t('Done'),
  };
  return titles[id] ?? id;
}

export function stepWord(state: StepState): string {
  switch (state) {
    case 'ok':
      return t('done');
    case 'warn':
      return t('works, with something left to do');
    case 'waiting':
      return t('waiting');
    default:
      return t('not begun');
  }
}

export const stepTone = (state: StepState): StateName => (({ ok: 'ok', warn: 'warn', waiting: 'info', todo: 'unknown' }) as const)[state];

// outcomeOf says how far a message has come.
export function outcomeOf(state: string): { tone: StateName; word: string } {
  switch (state) {
    case 'delivered':
      return { tone: 'ok', word: t('Delivered') };
    case 'accepted':
      return { tone: 'info', word: t('Taken') };
    case 'deferred':
      return { tone: 'warn', word: t('Asked to come back later') };
    case 'bounced':
      return { tone: 'fail', word: t('Came back') };
    case 'refused':
      return { tone: 'fail', word: t('Refused') };
    case 'discarded':
      return { tone: 'warn', word: t('Discarded') };
    default:
      return { tone: 'info', word: t('On its way') };
  }
}
