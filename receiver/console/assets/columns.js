// The table of lanes, and what goes with it on several views: the hint of an empty table, and the words for the state of a lane.
import { get } from './api.js';
import { address, badge, data, el, figureOf, link, time } from './dom.js';
import { spark } from './history.js';
import { count, delay, moment, percent, perSecond, seconds, shellWord, show } from './text.js';

// The line that sends a first event through everything, whatever the source's signature.
function testLine(account, source) {
  const body = JSON.stringify({ source });
  return `curl -u ${shellWord(account)} ${shellWord(`${location.origin}/api/send-test`)} -H 'Content-Type: application/json' -d ${shellWord(body)}`;
}

// What an empty table says: TEXT, and how to send a first event. ROUTE is that of the view.
export function emptyHint(text, route) {
  if (!route.mayAct) return [el('p', null, `${text} An account of role admin can send a test event.`)];
  const how = el('div');
  get('/api/sources?limit=1').then(({ items: [source] }) => how.replaceChildren(...(source
    ? [el('p', null, 'Send a first event:'), el('pre', { tabindex: '0' }, el('code', null, show(testLine(route.account, source.id), 2000))), el('p', { class: 'quiet' }, 'It signs a sample as the provider would. curl asks for your password.')]
    : [el('p', null, 'The configuration has no source yet. Add one below "sources", and send SIGHUP to both programs.')])), () => {});
  return [el('p', null, text), how];
}

const CIRCUITS = { open: ['circuit open', 'open'], probing: ['probing', 'probing'], waiting: ['told to wait', 'waiting'] };
const CIRCUITS_MAX = 5;

function laneState(lane) {
  const circuits = lane.circuits ?? [];
  const parts = circuits.slice(0, CIRCUITS_MAX).map((c) => {
    const until = moment(c.until);
    return el('span', { class: 'circuit' }, badge(...(CIRCUITS[c.state] ?? CIRCUITS.open)), el('small', null, data(c.origin)), until && el('small', null, 'until ', time(c.until)));
  });
  if (lane.paused) parts.unshift(badge('paused'));
  if (circuits.length > CIRCUITS_MAX) parts.push(el('small', null, `and ${count(circuits.length - CIRCUITS_MAX)} more origins`));
  return parts.length ? el('span', null, parts) : el('span', { class: 'quiet' }, 'runs');
}

const states = (lane, state, n) => (n ? link(address('deliveries', '', { lane: lane.id, state }), count(n)) : figureOf(0));
const column = (title, state, field) => ({ title, number: true, size: 's', key: (l) => l[field], draw: (l) => states(l, state, l[field]) });

function success(results) {
  const { done = 0, retry = 0, dead = 0 } = results ?? {}; // null while the first partition is away
  const all = done + retry + dead;
  return el('span', all ? { title: `${count(done)} of ${count(all)} attempts in the last hour` } : { class: 'none' }, percent(done, all));
}

// The columns. CURVES is a trends(), which the view refreshes.
export function laneColumns(curves) {
  return [
    { title: 'Lane', head: true, size: 'name', key: (l) => l.id, draw: (l) => link(address('lanes', l.id), data(l.id)) },
    column('Waiting', 'queued', 'depth'), column('In flight', 'inflight', 'inflight'), column('Retry', 'retry', 'retry'), column('Dead', 'dead', 'dead'),
    { title: 'Oldest', number: true, size: 'm', key: (l) => seconds(l.oldest_s || null) },
    { title: 'Delay', number: true, size: 's', key: (l) => delay(l.delay_ms) },
    { title: 'Sends/s', number: true, size: 's', key: (l) => l.sent_1m, draw: (l) => el('span', { title: `${count(l.sent_1m)} in the last minute`, class: l.sent_1m ? null : 'zero' }, perSecond(l.sent_1m)) },
    { title: 'Success', number: true, size: 's', key: (l) => l.last_hour, draw: (l) => success(l.last_hour) },
    { title: 'Last hour', size: 'm', key: (l) => curves.of(l.id), draw: (l) => spark(curves.of(l.id)) },
    { title: 'State', line: true, size: 'l', key: (l) => [l.paused, l.circuits], draw: laneState },
  ];
}
