// Messages of strangers, by how they look to the junk classifier.

interface Look {
  from?: string;
  name?: string;
  to: string;
  subject: string;
}

const attachment = `--b
Content-Type: application/octet-stream; name="invoice.pdf.exe"
Content-Disposition: attachment; filename="invoice.pdf.exe"
Content-Transfer-Encoding: base64

TVqQAAMAAAAEAAAA
`;

function mail({ from = 'help@stranger.test', name = 'Support', to, subject }: Look, more: string, text: string): string {
  return `From: "${name}" <${from}>
To: <${to}>
Subject: ${subject}
${more}MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
${text}
${attachment}--b--
`;
}

/** A message whose parts are all suspicious: its score is between the thresholds of quarantine and refusal. */
export const suspicious = (look: Look): string => mail(look, 'Date: Tue, 24 Nov 2026 10:00:00 +0000\n', 'Content-Type: text/plain\n\nOpen the invoice.');

/** A message that nothing speaks for: its score is above the threshold of refusal. */
export const hopeless = (look: Look): string =>
  mail({ name: look.to, ...look }, 'Reply-To: <x@elsewhere.test>\n', 'Content-Type: text/html\n\n<form action="http://192.0.2.1/"><input type="password">Your password: <a href="http://192.0.2.1:8080/">https://bank.test/</a></form>');

/** A message that nothing speaks against. */
export const honest = ({ from = 'ruth@elsewhere.test', name = 'Ruth', to, subject }: Look): string =>
  `From: ${name} <${from}>\nTo: <${to}>\nDate: ${new Date().toUTCString()}\nMessage-ID: <${Math.random()}@${from.split('@')[1]}>\nSubject: ${subject}\n\nHello, how are you? See you on Friday.`;
