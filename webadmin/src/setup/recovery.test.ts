import { expect, it } from 'vitest';
import { recoveryKit } from './recovery';

it('a recovery kit names the server, its owner and the commands', () => {
  const text = recoveryKit({ hostname: 'mail.example.org', answers: { address: 'ana@example.org' } }, ['mailstead doctor'], new Date('2026-11-28T12:00:00Z'));
  for (const part of ['mail.example.org', 'ana@example.org', '\n  mailstead doctor\n', '2026-11-28', 'https://mail.example.org/admin/']) expect(text).toContain(part);
});
