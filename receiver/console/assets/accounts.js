// Accounts: how the webhooks of each account's tasks fare, and their delay.
import { get } from './api.js';
import { address, button, data, el, link } from './dom.js';
import { delay } from './text.js';
import { changeDelay } from './lanes.js';
import { pager, table } from './table.js';

export function accounts(route) {
  const { cursor } = route.query;
  const pages = pager();
  const list = table('Accounts', [
    { title: 'Account', head: true, size: 'name', key: (a) => a.id, draw: (a) => data(a.id) },
    { title: 'Role', key: (a) => a.role },
    { title: 'Payload', wide: true, key: (a) => a.payload },
    { title: 'Checks TLS', wide: true, key: (a) => (a.verify_tls ? 'yes' : 'no') },
    { title: 'Delay in the file', number: true, key: (a) => delay(a.delay_ms) },
    { title: 'Webhooks', key: (a) => a.id, draw: (a) => el('span', { class: 'buttons' }, ['queued', 'dead', 'done'].map((state) => link(address('deliveries', '', { lane: a.lane, state }), { queued: 'waiting', dead: 'dead', done: 'delivered' }[state]))) },
    { title: 'Lane', size: 'name', key: (a) => a.lane, draw: (a) => link(address('lanes', a.lane), data(a.lane)) },
    ...(route.mayAct ? [{ title: '', line: true, size: 'act', key: (a) => a.id, draw: (a) => button('Change delay…', () => changeDelay('account', a.id, route.again), { 'aria-label': `Change the delay of account ${a.id}` }) }] : []),
  ], el('p', null, 'The configuration has no accounts. Add one below "accounts" and send SIGHUP to both programs.'));
  async function refresh(signal) {
    const page = await get(`/api/accounts?${new URLSearchParams({ limit: 100, ...(cursor ? { cursor } : {}) })}`, signal);
    list.update(page.items);
    pages.update(page.next, Boolean(cursor), (c) => address('accounts', '', { cursor: c }));
  }
  return { title: 'Accounts', every: 5000, refresh, nodes: [...list.nodes, pages.node] };
}
