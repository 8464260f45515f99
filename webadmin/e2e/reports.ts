// Reports as large providers send them.

const seconds = (daysAgo: number) => Math.floor(Date.now() / 86_400_000 - daysAgo) * 86_400;

interface Record {
  ip: string;
  count: number;
  pass: boolean;
  disposition?: string;
}

/** A DMARC report (RFC 9990) about one day. */
export function dmarcReport(domain: string, daysAgo: number, records: Record[], org = 'Bigmail'): string {
  const rows = records.map(
    ({ ip, count, pass, disposition = 'none' }) => `<record><row><source_ip>${ip}</source_ip><count>${count}</count><policy_evaluated><disposition>${disposition}</disposition><dkim>${pass ? 'pass' : 'fail'}</dkim><spf>${pass ? 'pass' : 'fail'}</spf></policy_evaluated></row>
<identifiers><header_from>${domain}</header_from></identifiers>
<auth_results>${pass ? `<dkim><domain>${domain}</domain><result>pass</result><selector>s</selector></dkim>` : ''}<spf><domain>${domain}</domain><result>${pass ? 'pass' : 'fail'}</result></spf></auth_results></record>`,
  );
  return `<?xml version="1.0"?>
<feedback><version>1.0</version>
<report_metadata><org_name>${org.replaceAll('<', '&lt;')}</org_name><email>dmarc@bigmail.test</email><report_id>report-${daysAgo}</report_id><date_range><begin>${seconds(daysAgo)}</begin><end>${seconds(daysAgo) + 86_399}</end></date_range></report_metadata>
<policy_published><domain>${domain}</domain><p>none</p></policy_published>
${rows.join('\n')}
</feedback>`;
}

/** A TLS report (RFC 8460) about one day. */
export function tlsReport(domain: string, daysAgo: number, good: number, bad: number): string {
  const at = (offset: number) => new Date((seconds(daysAgo) + offset) * 1000).toISOString();
  return JSON.stringify({
    'organization-name': 'Bigmail',
    'date-range': { 'start-datetime': at(0), 'end-datetime': at(86_399) },
    'contact-info': 'tls@bigmail.test',
    'report-id': `tls-${daysAgo}`,
    policies: [
      {
        policy: { 'policy-type': 'sts', 'policy-string': ['version: STSv1', 'mode: testing', `mx: mail.${domain}`, 'max_age: 86400'], 'policy-domain': domain },
        summary: { 'total-successful-session-count': good, 'total-failure-session-count': bad },
        ...(bad ? { 'failure-details': [{ 'result-type': 'certificate-expired', 'receiving-mx-hostname': `mail.${domain}`, 'failed-session-count': bad }] } : {}),
      },
    ],
  });
}

/** The message that brings a report. */
export function reportMail(from: string, to: string, file: string): string {
  const json = file.startsWith('{');
  return `From: <${from}>
To: <${to}>
Subject: Report
Date: ${new Date().toUTCString()}
Message-ID: <${Math.random()}@bigmail.test>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

A report.
--b
Content-Type: ${json ? 'application/tlsrpt+json' : 'text/xml'}
Content-Disposition: attachment; filename="${json ? 'report.json' : 'report.xml'}"
Content-Transfer-Encoding: base64

${Buffer.from(file).toString('base64').replace(/(.{76})/g, '$1\n')}
--b--
`;
}
