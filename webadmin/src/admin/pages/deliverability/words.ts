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
