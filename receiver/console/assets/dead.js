// Dead letters, grouped by destination and reason.
import { get } from './api.js';
import { address, button, data, el, link, setText, time } from './dom.js';
import { actOnAll, deliveryColumns } from './deliveries.js';
import { count, missingText } from './text.js';
import { table } from './table.js';

const REST = 10; // the counting rests so many times as long as it took

// The groups of all dead letters, the largest first. The receiver counts them in steps. SHOW gets the groups so far after each step
// but the last, and how many dead letters they have.
async function countAll(signal, show) {
  const groups = new Map();
  const sorted = () => [...groups.values()].sort((a, b) => b.count - a.count);
  let [seen, cursor, missing] = [0, '', []];
  for (;;) {
    const step = await get(`/api/dead${cursor && `?cursor=${encodeURIComponent(cursor)}`}`, signal);
    for (const item of step.items) {
      const g = groups.get(item.id);
      if (!g) groups.set(item.id, item);
      else groups.set(item.id, { ...(g.newest_at >= item.newest_at ? g : item), count: g.count + item.count });
    }
    seen += step.seen;
    missing = missing.concat(step.missing ?? []);
    if (!step.next) return { groups: sorted(), missing };
    cursor = step.next;
    show(sorted(), seen);
  }
}

export function dead(route) {
  const note = el('p', { class: 'quiet' });
  const list = table('Dead letters by destination and reason', [
    { title: 'Destination', head: true, size: 'name', key: (g) => g.destination, draw: (g) => link(address('deliveries', '', { state: 'dead', destination: g.destination }), data(g.destination)) },
    { title: 'Reason', line: true, size: 'name', key: (g) => g.reason, draw: (g) => data(g.reason ?? 'unknown', 200) },
    { title: 'Dead letters', number: true, key: (g) => count(g.count) },
    { title: 'Newest', key: (g) => [g.newest_at, g.newest], draw: (g) => link(address('delivery', g.newest), time(g.newest_at)) },
    ...(route.mayAct ? [{ title: '', line: true, size: 'acts', key: (g) => g.destination, draw: (g) => el('span', { class: 'buttons' },
      button('Resend all…', () => actOnAll('resend', { state: 'dead', destination: g.destination }), { 'aria-label': `Resend all dead letters of ${g.destination}` }),
      button('Drop all…', () => actOnAll('drop', { state: 'dead', destination: g.destination }), { class: 'danger', 'aria-label': `Drop all dead letters of ${g.destination}` })) }] : []),
  ], el('p', null, 'There are no dead letters. A delivery is dead when all its attempts have failed.'));
  const newest = table('The newest dead letters', deliveryColumns, null);
  let isCounted = false; // the table has a complete count, which stays until the next one is complete
  let [nextAt, missing] = [0, ''];
  async function refresh(signal) {
    const page = await get('/api/deliveries?state=dead&limit=20', signal);
    newest.update(page.items);
    if (page.items.length && Date.now() < nextAt) return missing;
    const begun = Date.now();
    const all = await countAll(signal, (some, seen) => {
      if (isCounted) return;
      list.update(some);
      setText(note, `Counting: ${count(seen)} dead letters so far.`);
    });
    isCounted = true;
    nextAt = Date.now() + REST * (Date.now() - begun);
    list.update(all.groups);
    setText(note, all.groups.length ? 'The buttons act on all dead letters of the destination, whatever the reason.' : '');
    missing = missingText(all);
    return missing;
  }
  return { title: 'Dead letters', every: 10000, refresh, nodes: [note, ...list.nodes, el('h2', null, 'Newest'), ...newest.nodes] };
}
