// addressesOf takes apart what somebody typed or pasted: addresses between lines, spaces, commas and semicolons.
export const addressesOf = (text: string): string[] => [...new Set(text.split(/[\s,;]+/).filter(Boolean))];
