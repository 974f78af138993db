// Jobs: acts on many deliveries, with their progress. A job is in Redis, so it goes on without this page and without the receiver that
// began it. The address of a job can be kept and shared.
import { get, post } from './api.js';
import { address, badge, button, data, el, figureOf, link, say, setText, time } from './dom.js';
import { count, local, missingText, moment, part } from './text.js';
import { table } from './table.js';

const WORDS = { running: ['running', 'inflight'], done: ['finished', 'done'], cancelled: ['cancelled', 'paused'], unknown: ['not known', 'retry'] };
const isOver = (j) => j.ended_at !== null;

function nameOf(j) {
  if (j.filter.lane) return `Purge of lane ${j.filter.lane}`;
  return j.verb === 'drop' ? 'Drop' : 'Resend';
}

function filterOf(j) {
  return Object.entries(j.filter).filter(([name, value]) => value && !(name === 'lane'))
    .map(([name, value]) => `${name} ${['since', 'until'].includes(name) ? local(moment(value)) : value}`).join(', ');
}

function progressText(j) {
  return `${count(j.done)} done, ${count(j.failed)} could not be changed${j.total ? `, of ${count(j.total)}` : ''}`;
}

// Without a value while the number of deliveries is not known.
function showProgress(bar, j) {
  const seen = j.done + j.failed;
  bar.max = isOver(j) ? 1 : Math.max(j.total, seen, 1);
  if (isOver(j)) bar.value = 1;
  else if (j.total) bar.value = seen;
  else bar.removeAttribute('value');
}

async function cancel(id, again) {
  try {
    await post(`/api/jobs/${part(id)}/cancel`, {});
    say('The job is cancelled. What it has done stays done.');
  } catch (e) {
    say(`Not cancelled: ${e.message}`);
  }
  again();
}

function progressOf(j) {
  const bar = el('progress', { 'aria-label': `Progress of ${nameOf(j)}` });
  showProgress(bar, j);
  return [bar, el('small', null, j.total ? `${count(j.done + j.failed)} of ${count(j.total)}` : count(j.done + j.failed))];
}

export function jobs(route) {
  const list = table('Jobs', [
    { title: 'Job', head: true, size: 'name', key: (j) => [j.id, nameOf(j)], draw: (j) => link(address('job', j.id), data(nameOf(j))) },
    { title: 'What matches', line: true, size: 'name', key: filterOf, draw: (j) => data(filterOf(j), 200) },
    { title: 'State', key: (j) => j.state, draw: (j) => badge(...(WORDS[j.state] ?? [j.state])) },
    { title: 'Progress', line: true, size: 'l', key: (j) => [j.done, j.failed, j.total, j.ended_at], draw: progressOf },
    { title: 'Not changed', number: true, key: (j) => j.failed, draw: (j) => figureOf(j.failed) },
    { title: 'Started', key: (j) => j.started_at, draw: (j) => time(j.started_at) },
    { title: 'By', key: (j) => j.account, draw: (j) => data(j.account) },
    ...(route.mayAct ? [{ title: '', line: true, size: 'act', key: (j) => [j.id, isOver(j)], draw: (j) => (isOver(j) ? '' : button('Cancel', () => cancel(j.id, route.again), { 'aria-label': `Cancel ${nameOf(j)} of ${local(moment(j.started_at))}` })) }] : []),
  ], el('p', null, 'No job ran in the last day. A job resends or drops all deliveries that match a filter, or purges a lane. Start one on the views Deliveries, Dead letters or Lanes.'));
  async function refresh(signal) {
    const page = await get('/api/jobs', signal);
    list.update(page.items);
    return missingText(page);
  }
  return { title: 'Jobs', refresh, nodes: list.nodes };
}

export function job(route) {
  const bar = el('progress', { 'aria-label': 'Progress' });
  const text = el('p', { role: 'status' });
  const about = el('p', { class: 'quiet' });
  const stopIt = button('Cancel', () => cancel(route.arg, route.again));
  stopIt.hidden = true;
  const self = { title: 'Job', every: 1000 };
  self.refresh = async (signal) => {
    const j = await get(`/api/jobs/${part(route.arg)}`, signal);
    showProgress(bar, j);
    setText(text, `${nameOf(j)}: ${progressText(j)}. ${isOver(j) ? (j.state === 'cancelled' ? 'Cancelled.' : 'Finished.') : j.state === 'unknown' ? 'Its work in the partitions that are missing waits for them.' : 'Running.'}`);
    setText(about, `${filterOf(j) ? `Filter: ${filterOf(j)}. ` : ''}Started by ${j.account}.`);
    stopIt.hidden = isOver(j) || !route.mayAct;
    self.every = isOver(j) ? 0 : 1000;
    return missingText(j);
  };
  self.tools = link(address('jobs'), 'All jobs');
  self.nodes = [bar, text, el('p', { class: 'buttons' }, stopIt), about, el('p', null, link(address('deliveries'), 'To the deliveries'))];
  return self;
}
