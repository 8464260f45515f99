import type { State } from '$api/types';
import { t } from './i18n';

export function stateWord(state: State): string {
  switch (state) {
    case 'ok':
      return t('Right');
    case 'warn':
      return t('Needs a look');
    case 'fail':
      return t('Wrong');
    default:
      return t('Unknown');
  }
}
