import { t } from '$kit/i18n';
import type { View } from './types';

// recoveryKit is the text to print or keep: how to get back in when nobody can sign in any more. It holds no secret.
export function recoveryKit(view: Pick<View, 'hostname' | 'answers'>, commands: string[], on: Date): string {
  const lines = [
    t('Recovery kit of {host}', { host: view.hostname }),
    t('Written on {day}.', { day: on.toISOString().slice(0, 10) }),
    '',
    t('Console: {url}', { url: `https://${view.hostname}/admin/` }),
    t('Owner: {address}', { address: view.answers.address ?? '' }),
    '',
    t('When nobody can sign in: log in to the server as root, and run one of these.'),
    t('They work without a password and without a network, whether the server runs or not.'),
    '',
    ...commands.map((command) => `  ${command}`),
    '',
    t('There is no password in this text. Keep it where you find it when the server is down.'),
  ];
  return lines.join('\n') + '\n';
}
