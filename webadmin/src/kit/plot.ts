import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Series } from '$api/types';
import { alone } from './alone';
import { clock } from './format';

interface Wanted {
  host: HTMLElement;
  series: Series;
  tones: Record<string, string>;
  height: number;
  format: (value: number) => string;
  onmove: (index: number | undefined) => void;
}

// draw puts a chart into host and keeps it as wide as host, in the colours of the theme.
export function draw(wanted: Wanted): { destroy(): void } {
  let plot = make(wanted);
  const resize = new ResizeObserver(() => plot.setSize({ width: wanted.host.clientWidth, height: wanted.height }));
  resize.observe(wanted.host);
  const repaint = () => {
    plot.destroy();
    plot = make(wanted);
  };
  const theme = new MutationObserver(repaint);
  theme.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  const system = matchMedia('(prefers-color-scheme: dark)');
  system.addEventListener('change', repaint);
  return {
    destroy() {
      resize.disconnect();
      theme.disconnect();
      system.removeEventListener('change', repaint);
      plot.destroy();
    },
  };
}

function make({ host, series, tones, height, format, onmove }: Wanted): uPlot {
  const ink = colour(host, 'var(--ink-3)');
  const line = colour(host, 'var(--line)');
  const columns = [series.points.map((p) => p[0] ?? 0), ...series.names.map((_, i) => series.points.map((p) => p[i + 1] ?? null))];
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: `12px ${getComputedStyle(host).fontFamily}` };
  return new uPlot(
    {
      width: host.clientWidth,
      height,
      legend: { show: false },
      cursor: { points: { size: 6 }, drag: { x: false, y: false }, y: false },
      // The first and the last point have room for their dots, and one point alone has a span of time around it.
      scales: { x: { range: () => [(series.points[0]?.[0] ?? 0) - series.step / 2, (series.points.at(-1)?.[0] ?? 0) + series.step / 2] }, y: { range: (_u, _min, max) => [0, Math.max(4, max * 1.08)] } },
      axes: [
        { ...axis, grid: { show: false }, gap: 8, values: (_u, ticks) => ticks.map((tick) => label(tick, series.step * series.points.length)) },
        { ...axis, size: 44, gap: 8, space: 36, values: (_u, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? format(tick) : '')) },
      ],
      series: [
        {},
        ...series.names.map((name, i) => {
          const tone = `var(--${tones[name] ?? 'accent'})`;
          const fill = i === 0 ? colour(host, `color-mix(in srgb, ${tone} 10%, transparent)`) : undefined;
          const stroke = colour(host, tone);
          return { stroke, width: 1.75, fill, points: { show: true, filter: (u: uPlot, series: number) => alone(u.data[series]!), size: 6, width: 0, fill: stroke } };
        }),
      ],
      hooks: { setCursor: [(u) => onmove(u.cursor.idx ?? undefined)] },
    },
    columns as uPlot.AlignedData,
    host,
  );
}

function label(tick: number, span: number): string {
  const at = new Date(tick * 1000);
  if (span <= 2 * 86400) return clock(at.toISOString());
  return at.toLocaleDateString(undefined, { day: 'numeric', month: 'short' });
}

// colour resolves tokens to what a canvas understands: light-dark() only means something in a style.
function colour(host: HTMLElement, value: string): string {
  const probe = document.createElement('span');
  probe.style.color = value;
  host.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}
