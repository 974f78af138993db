// Dead letters, grouped by destination and reason.
import { get } from './api.js';
import { address, button, data, el, link, setText, time } from './dom.js';
import { actOnAll, deliveryColumns, resultOf } from './deliveries.js';
import { count, missingText } from './text.js';
import { table } from './table.js';

const LOOK = 1000; // the newest ones, which one page can have

function groupsOf(items) {
  const groups = new Map();
  for (const d of items) {
    const reason = resultOf(d) || 'unknown';
    const id = `${d.destination}\n${reason}`;
    const g = groups.get(id) ?? { id, destination: d.destination, reason, count: 0, newest: d.ended_at, last: d };
    g.count += 1;
    groups.set(id, g);
  }
  return [...groups.values()].sort((a, b) => b.count - a.count);
}

export function dead(route) {
  const note = el('p', { class: 'quiet' });
  const list = table('Dead letters by destination and reason', [
    { title: 'Destination', head: true, size: 'name', key: (g) => g.destination, draw: (g) => link(address('deliveries', '', { state: 'dead', destination: g.destination }), data(g.destination)) },
    { title: 'Reason', line: true, size: 'name', key: (g) => g.reason, draw: (g) => data(g.reason, 200) },
    { title: 'Dead letters', number: true, key: (g) => count(g.count) },
    { title: 'Newest', key: (g) => [g.newest, g.last.id], draw: (g) => link(address('delivery', g.last.id), time(g.newest)) },
    ...(route.mayAct ? [{ title: '', line: true, size: 'acts', key: (g) => g.destination, draw: (g) => el('span', { class: 'buttons' },
      button('Resend all…', () => actOnAll('resend', { state: 'dead', destination: g.destination }), { 'aria-label': `Resend all dead letters of ${g.destination}` }),
      button('Drop all…', () => actOnAll('drop', { state: 'dead', destination: g.destination }), { class: 'danger', 'aria-label': `Drop all dead letters of ${g.destination}` })) }] : []),
  ], el('p', null, 'There are no dead letters. A delivery is dead when all its attempts have failed.'));
  const newest = table('The newest dead letters', deliveryColumns, null);
  async function refresh(signal) {
    const page = await get(`/api/deliveries?state=dead&limit=${LOOK}`, signal);
    list.update(groupsOf(page.items));
    newest.update(page.items.slice(0, 20));
    setText(note, page.next ? `These are the newest ${count(page.items.length)}; there are more. Acts take all dead letters of the destination.` : '');
    return missingText(page);
  }
  return { title: 'Dead letters', every: 10000, refresh, nodes: [note, ...list.nodes, el('h2', null, 'Newest'), ...newest.nodes] };
}
