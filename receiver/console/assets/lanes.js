// Lanes: how each one is, and what an operator can do to it.
import { get, getIfThere, post } from './api.js';
import { address, ask, button, data, el, figureOf, link, say, setText } from './dom.js';
import { trends } from './history.js';
import { emptyHint, laneColumns } from './columns.js';
import { count, delay, missingText, part } from './text.js';
import { pager, table } from './table.js';

const PAGE = 100;
const DELAYS = 'Milliseconds between two webhooks: 0 (none), 50, or a multiple of 100 up to 1000. Empty: as in the configuration.';

// Asks for the delay of WHAT ('destination' or 'account') NAME. The receiver knows the rule and explains it.
export async function changeDelay(what, name, again) {
  let now = null;
  try {
    now = await getIfThere(`/api/delay?${new URLSearchParams({ [what]: name })}`);
  } catch (e) {
    say(e.message);
    return;
  }
  const done = await ask({
    title: `Delay of ${what} ${name}`, text: 'It holds for what is accepted from now on, and survives restarts.', yes: 'Set the delay',
    fields: [{ name: 'ms', label: 'Delay in ms', value: now?.delay_ms ?? '', inputmode: 'numeric', help: DELAYS }],
    act: ({ ms: text }) => {
      if (text.trim() && !/^\d+$/.test(text.trim())) throw new Error(`"${text}" is not a number. ${DELAYS}`);
      return post('/api/delay', { delay_ms: text.trim() ? Number(text) : null, [what]: name });
    },
  });
  if (done) say('The delay is set.');
  again();
}

async function purge(lane) {
  let job = null;
  const done = await ask({
    title: `Purge lane ${lane}?`, text: 'Everything that waits on this lane is removed and is never sent. Deliveries in flight end as always.', yes: 'Purge', isDanger: true,
    fields: [{ name: 'confirm', label: `Type the lane's name to confirm: ${lane}` }],
    act: async ({ confirm }) => {
      if (confirm !== lane) throw new Error(`Type the lane's name exactly: ${lane}`);
      job = (await post(`/api/lanes/${part(lane)}/purge`, { confirm })).job;
    },
  });
  if (done && job) location.hash = address('job', job);
}

async function pause(lane, again) {
  const act = lane.paused ? 'resume' : 'pause';
  try {
    await post(`/api/lanes/${part(lane.id)}/${act}`, {});
    say(lane.paused ? `Lane ${lane.id} goes on.` : `Lane ${lane.id} is paused until somebody resumes it.`);
  } catch (e) {
    say(`Not done: ${e.message}`);
  }
  again();
}

const actColumn = (again) => ({ title: '', line: true, size: 'acts', key: (l) => [l.id, l.paused], draw: (l) => el('span', { class: 'buttons' },
  button(l.paused ? 'Resume' : 'Pause', () => pause(l, again), { 'aria-label': `${l.paused ? 'Resume' : 'Pause'} lane ${l.id}` }),
  button('Purge…', () => purge(l.id), { class: 'danger', 'aria-label': `Purge lane ${l.id}` })) });

function destinationTable(route) {
  const columns = [
    { title: 'Destination', head: true, size: 'name', key: (d) => d.id, draw: (d) => link(address('deliveries', '', { destination: d.id }), data(d.id)) },
    { title: 'Origin', line: true, size: 'name', key: (d) => d.origin, draw: (d) => data(d.origin) },
    { title: 'Delay in the file', number: true, key: (d) => delay(d.delay_ms) },
    { title: 'Delivered', number: true, key: (d) => d.last_hour?.done, draw: (d) => figureOf(d.last_hour?.done) },
    { title: 'Failed attempts', number: true, key: (d) => d.last_hour?.retry, draw: (d) => figureOf(d.last_hour?.retry) },
    { title: 'Died', number: true, key: (d) => d.last_hour?.dead, draw: (d) => figureOf(d.last_hour?.dead) },
  ];
  if (route.mayAct) columns.push({ title: '', line: true, size: 'act', key: (d) => d.id, draw: (d) => {
    const own = !d.id.includes('@');
    if (!own && !d.account) return '';
    return button('Change delay…', () => changeDelay(own ? 'destination' : 'account', own ? d.id : d.account, route.again), { 'aria-label': `Change the delay of ${d.id}` });
  } });
  return table('Destinations on this lane', columns, el('p', null, 'No destination of the configuration is on this lane.'));
}

function oneLane(route) {
  const curves = trends();
  const list = table(`Lane ${route.arg}`, [...laneColumns(curves), ...(route.mayAct ? [actColumn(route.again)] : [])], null);
  const destinations = destinationTable(route);
  const note = el('p', { class: 'quiet' });
  async function refresh(signal) {
    const [lane, all] = await Promise.all([get(`/api/lanes/${part(route.arg)}`, signal), get('/api/destinations?limit=1000', signal), curves.refresh(signal).catch(() => null)]);
    list.update([lane]);
    destinations.update(all.items.filter((d) => d.lane === route.arg));
    setText(note, `Counts are of the last hour.${all.next ? ' Only the first 1,000 destinations of the configuration were looked at.' : ''}`);
  }
  return { title: `Lane ${route.arg}`, tools: link(address('lanes'), 'All lanes'), refresh, nodes: [...list.nodes, el('h2', null, 'Destinations'), note, ...destinations.nodes] };
}

// What `GET /api/lanes?state=` takes, in words.
const STATES = { '': 'any', paused: 'paused', circuit: 'with an open circuit', queued: 'with waiting deliveries', retry: 'with retries', dead: 'with dead letters' };

function filterForm(query) {
  const name = el('input', { id: 'lane-name', type: 'text', autocomplete: 'off', spellcheck: 'false' });
  const state = el('select', { id: 'lane-state' }, Object.entries(STATES).map(([value, word]) => el('option', { value }, word)));
  name.value = query.name ?? '';
  state.value = STATES[query.state] ? query.state : '';
  const submit = (event) => {
    event.preventDefault();
    location.hash = address('lanes', '', { state: state.value, name: name.value.trim() });
  };
  state.addEventListener('change', submit);
  return el('form', { class: 'filters', role: 'search', 'aria-label': 'Filter', onsubmit: submit },
    el('p', { class: 'field' }, el('label', { for: 'lane-state' }, 'State'), state), el('p', { class: 'field' }, el('label', { for: 'lane-name' }, 'Name contains'), name),
    el('p', { class: 'buttons' }, el('button', { class: 'main' }, 'Filter'), link(address('lanes'), 'Clear')));
}

export function lanes(route) {
  if (route.arg) return oneLane(route);
  const { cursor, state, name } = route.query;
  const wanted = Object.fromEntries(Object.entries({ state, name }).filter(([, value]) => value));
  const query = new URLSearchParams({ ...wanted, limit: PAGE, ...(cursor ? { cursor } : {}) });
  const curves = trends();
  const none = state || name ? [el('p', null, 'No lane matches this filter.')] : emptyHint('No lane has anything to do yet.', route);
  const list = table('Lanes', [...laneColumns(curves), ...(route.mayAct ? [actColumn(route.again)] : [])], none);
  const pages = pager();
  async function refresh(signal) {
    const [page] = await Promise.all([get(`/api/lanes?${query}`, signal), curves.refresh(signal).catch(() => null)]);
    list.update(page.items);
    pages.update(page.next, Boolean(cursor), (c) => address('lanes', '', { ...wanted, cursor: c }));
    return missingText(page);
  }
  return { title: 'Lanes', refresh, nodes: [filterForm(route.query), ...list.nodes, pages.node] };
}
