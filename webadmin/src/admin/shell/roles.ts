import type { Role } from '$api/types';
import { t } from '$kit/i18n';

export function roleWord(role: Role): string {
  switch (role) {
    case 'owner':
      return t('Owner');
    case 'admin':
      return t('Admin');
    case 'domain-admin':
      return t('Domain admin');
    case 'support':
      return t('Support');
    default:
      return t('User');
  }
}
