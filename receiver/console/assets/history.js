// The last hour in small pictures: rates and latencies.
import { el, fill } from './dom.js';
import { count, millis } from './text.js';

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 240;
const HEIGHT = 40;

function line(values) {
  const svg = document.createElementNS(SVG, 'svg');
  const path = document.createElementNS(SVG, 'path');
  const top = Math.max(...values, 1);
  const step = WIDTH / Math.max(values.length - 1, 1);
  path.setAttribute('d', values.map((v, i) => `${i ? 'L' : 'M'}${(i * step).toFixed(1)} ${(HEIGHT - 2 - (v / top) * (HEIGHT - 4)).toFixed(1)}`).join(''));
  svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('class', 'spark');
  svg.setAttribute('aria-hidden', 'true');
  svg.append(path);
  return svg;
}

const NAMES = {
  accepted: 'Accepted', refused: 'Refused', sent: 'Attempts', failed: 'Failed attempts', dead: 'Died',
  delivery_p50_ms: 'From accepted to delivered, median', delivery_p99_ms: 'From accepted to delivered, 99 %', attempt_p99_ms: 'Duration of an attempt, 99 %',
};

// Minutes are a list of objects, oldest first, whose numbers have names.
export function history() {
  const node = el('div', { class: 'sparks' });
  const heading = el('h2', { hidden: true }, 'The last hour, minute by minute');
  function update(past) {
    const minutes = [...(past?.items ?? [])].sort((a, b) => (a.at < b.at ? -1 : 1));
    const keys = Object.keys(NAMES).filter((k) => minutes.some((m) => typeof m[k] === 'number'));
    heading.hidden = node.hidden = keys.length === 0;
    fill(node, [keys, minutes], () => keys.map((k) => {
      const values = minutes.map((m) => Number(m[k] ?? 0));
      const shown = k.endsWith('_ms') ? (ms) => millis(Math.round(ms)) : count;
      return el('figure', null, el('figcaption', null, `${NAMES[k]}: now ${shown(values.at(-1))}, at most ${shown(Math.max(...values))}`), line(values));
    }));
  }
  return { nodes: [heading, node], update };
}
