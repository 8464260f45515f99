import type { Schemas } from '$api/types';

type Row = Schemas['BulkRow'];

// ordered puts lines that fail before the others; else the order of the text stays.
export const ordered = (rows: Row[]): Row[] => [...rows].sort((a, b) => Number(Boolean(b.error)) - Number(Boolean(a.error)) || a.line - b.line);

// linkLines is the links to give, one a line behind its address, as spreadsheets take them.
export const linkLines = (rows: Row[]): string => rows.filter((row) => row.invite).map((row) => `${row.address}\t${row.invite}\n`).join('');
