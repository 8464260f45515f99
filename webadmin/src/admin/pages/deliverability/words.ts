import type { State } from '$api/types';
import { t } from '$kit/i18n';

export function providerWord(state: State): string {
  switch (state) {
    case 'ok':
      return t('Takes your mail');
    case 'warn':
      return t('Slows you down');
    case 'fail':
      return t('Refuses mail');
    default:
      return t('Too little mail to say');
  }
}

// points are shown whole, or with one digit where that matters.
export const points = (n: number): string => String(Number(n.toFixed(1)));
