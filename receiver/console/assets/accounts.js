// Accounts: the webhooks of each account's tasks, and their delay.
import { getIfThere } from './api.js';
import { address, button, data, el, link, setText } from './dom.js';
import { count, delay } from './text.js';
import { changeDelay } from './lanes.js';
import { pager, table } from './table.js';

// An account's webhooks are deliveries to postback@<account> and pingback@<account>.
function accountsOf(items) {
  const accounts = new Map();
  for (const d of items) {
    const [, name] = String(d.id).split('@');
    if (!name || String(d.id).startsWith('fetch@')) continue;
    const a = accounts.get(name) ?? { id: name, lane: d.lane ?? name, delay_ms: d.delay_ms, counts: {} };
    for (const [key, n] of Object.entries(d.counts ?? {})) if (typeof n === 'number') a.counts[key] = (a.counts[key] ?? 0) + n;
    accounts.set(name, a);
  }
  return [...accounts.values()];
}

export function accounts(route) {
  const { cursor } = route.query;
  const note = el('p', { class: 'quiet' });
  const pages = pager();
  const list = table('Accounts', [
    { title: 'Account', head: true, key: (a) => a.id, draw: (a) => data(a.id) },
    { title: 'Webhooks', key: (a) => a.counts, draw: (a) => data(Object.entries(a.counts).map(([k, n]) => `${k} ${count(n)}`).join(', ') || 'none yet', 200) },
    { title: 'Delay', number: true, key: (a) => delay(a.delay_ms) },
    { title: 'Lane', key: (a) => a.lane, draw: (a) => link(address('lanes', a.lane), data(a.lane)) },
    ...(route.mayAct ? [{ title: '', key: (a) => [a.id, a.delay_ms], draw: (a) => button('Change delay…', () => changeDelay('account', a.id, a.delay_ms, route.again), { 'aria-label': `Change the delay of account ${a.id}` }) }] : []),
  ], el('p', null, 'No account has webhooks of its own. Accounts are in the configuration, below "accounts".'));
  async function refresh(signal) {
    const page = await getIfThere(`/api/destinations?${new URLSearchParams({ limit: 1000, ...(cursor ? { cursor } : {}) })}`, signal);
    setText(note, page ? '' : 'This receiver does not list destinations yet.');
    list.update(accountsOf(page?.items ?? []));
    pages.update(page?.next, Boolean(cursor), (c) => address('accounts', '', { cursor: c }));
  }
  return { title: 'Accounts', every: 5000, refresh, nodes: [note, ...list.nodes, pages.node] };
}
