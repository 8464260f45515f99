import { t } from '$kit/i18n';
import type { Way } from './imports';

// What large providers want before they give mail to another program.
export interface Provider {
  value: string;
  label: string;
  host?: string;
  way?: Way;
  steps: string[];
}

export const providers: Provider[] = [
  { value: '', label: t('Another server'), steps: [] },
  {
    value: 'gmail',
    label: t('Gmail, Google Workspace'),
    host: 'imap.gmail.com',
    way: 'password',
    steps: [
      t('Google takes an app password, not the usual one. Each person makes it: switch on 2-Step Verification at myaccount.google.com/security, then open myaccount.google.com/apppasswords and make one named “Mail”.'),
      t('Paste its 16 letters as the password. It can be removed there again after the move.'),
      t('Where a company or school runs the account, its admin may have to allow IMAP and app passwords first.'),
    ],
  },
  {
    value: 'microsoft365',
    label: t('Microsoft 365, Exchange Online'),
    host: 'outlook.office365.com',
    way: 'token',
    steps: [
      t('Microsoft takes no passwords for IMAP any more, app passwords neither: it wants an OAuth token.'),
      t('For many accounts: in Entra an admin registers an app with the permission IMAP.AccessAsApp, and gives it the mailboxes in Exchange. One token of that app then opens all of them.'),
      t('A token ends after about an hour. Begin again with a new one to go on, or let the command line renew it: mailstead import imap --token-command.'),
    ],
  },
  {
    value: 'outlook',
    label: t('Outlook.com, Hotmail, Live'),
    host: 'outlook.office365.com',
    way: 'token',
    steps: [
      t('Private accounts of Microsoft take no passwords for IMAP since September 2024, app passwords neither. They want an OAuth token, which a program such as email-oauth2-proxy or oama gets for the person.'),
      t('In Outlook on the web, Settings → Mail → Forwarding and IMAP has to let programs use IMAP.'),
      t('Without a token: add both accounts to Thunderbird and move the folders by hand.'),
    ],
  },
  {
    value: 'icloud',
    label: t('iCloud'),
    host: 'imap.mail.me.com',
    way: 'password',
    steps: [t('Apple takes an app-specific password: account.apple.com → Sign-In and Security → App-Specific Passwords. The user there is the part of the address before the @.')],
  },
  {
    value: 'yahoo',
    label: t('Yahoo, AOL'),
    host: 'export.imap.mail.yahoo.com',
    way: 'password',
    steps: [t('Yahoo takes an app password: Account → Security → App passwords. This server is for moving out: the ordinary one shows only the newest 10,000 messages of a folder. For AOL the server is imap.aol.com.')],
  },
];
