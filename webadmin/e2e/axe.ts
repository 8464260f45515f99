import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from '@playwright/test';

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  id: string;
  impact: string | null;
  help: string;
  nodes: { target: string[]; html: string; failureSummary?: string }[];
}

/** Looks for barriers with axe-core, which is put into the page by the debugger: the page's policy stays as it is. */
export class AxeBuilder {
  constructor(private readonly page: Page) {}

  /** Returns the findings that are serious or critical, one line each. */
  async serious(): Promise<string[]> {
    // The debugger's evaluate is not bound by the policy of the page.
    await this.page.evaluate(source);
    const violations = await this.page.evaluate(async () => {
      // A colour that fades into another, as after a change of the theme, is judged when it is there.
      const ending = document.getAnimations().filter((a) => a.effect?.getComputedTiming().endTime !== Infinity);
      await Promise.allSettled(ending.map((a) => a.finished));
      const { axe } = globalThis as unknown as { axe: { run(o: object): Promise<{ violations: unknown[] }> } };
      return (await axe.run({ resultTypes: ['violations'] })).violations;
    });
    return (violations as Violation[])
      .filter((v) => v.impact === 'serious' || v.impact === 'critical')
      .flatMap((v) => v.nodes.map((n) => `${v.id}: ${v.help} at ${n.target.join(' ')} (${n.html.slice(0, 120)})`));
  }
}
