// Accounts: the tasks of each one by their states, how its webhooks fare, and its delay.
import { get } from './api.js';
import { address, button, data, el, figureOf, link } from './dom.js';
import { count, delay } from './text.js';
import { changeDelay } from './lanes.js';
import { pager, table } from './table.js';

const TASKS = [['pending', 'Pending'], ['processing', 'Under way'], ['done_not_fetched', 'Not fetched'], ['done_fetched', 'Fetched'], ['failed', 'Failed']];
const WEBHOOKS = { queued: 'waiting', dead: 'dead', done: 'delivered' };

const taskColumn = ([state, title]) => ({ title, number: true, key: (a) => a.tasks?.[state], draw: (a) => (a.tasks ? figureOf(a.tasks[state]) : count(null)) });

function delayOf(a) {
  const now = a.delay_in_force_ms ?? a.delay_ms;
  return el('span', now === a.delay_ms ? null : { title: `in the file: ${delay(a.delay_ms)}` }, delay(now));
}

export function accounts(route) {
  const { cursor } = route.query;
  const pages = pager();
  const note = el('p', { class: 'quiet' }, 'Tasks by their state. A task is fetched when its result was read or delivered.');
  const list = table('Accounts', [
    { title: 'Account', head: true, size: 'name', key: (a) => a.id, draw: (a) => link(address('lanes', a.lane), data(a.id)) },
    { title: 'Role', key: (a) => a.role },
    ...TASKS.map(taskColumn),
    { title: 'Delay', number: true, key: (a) => [a.delay_ms, a.delay_in_force_ms], draw: delayOf },
    { title: 'Payload', wide: true, key: (a) => a.payload },
    { title: 'Checks TLS', wide: true, key: (a) => (a.verify_tls ? 'yes' : 'no') },
    { title: 'Webhooks', line: true, key: (a) => a.id, draw: (a) => el('span', { class: 'buttons' }, Object.entries(WEBHOOKS).map(([state, word]) => link(address('deliveries', '', { lane: a.lane, state }), word))) },
    ...(route.mayAct ? [{ title: '', line: true, size: 'act', key: (a) => a.id, draw: (a) => button('Change delay…', () => changeDelay('account', a.id, route.again), { 'aria-label': `Change the delay of account ${a.id}` }) }] : []),
  ], el('p', null, 'The configuration has no accounts. Add one below "accounts" and send SIGHUP to both programs.'));
  async function refresh(signal) {
    const page = await get(`/api/accounts?${new URLSearchParams({ limit: 50, ...(cursor ? { cursor } : {}) })}`, signal);
    list.update(page.items);
    pages.update(page.next, Boolean(cursor), (c) => address('accounts', '', { cursor: c }));
  }
  return { title: 'Accounts', every: 5000, refresh, nodes: [note, ...list.nodes, pages.node] };
}
