// An account's own tasks by status, and its failed webhooks. They come from the task API, which shows an account nothing of others.
import { address, badge, button, data, el, fill, link, say, time } from './dom.js';
import { count, showLines } from './text.js';
import { table } from './table.js';
import { call, moment } from './tasks.js';

const FAILED = 100; // so many failed attempts are shown
const NEWEST = 200; // so many tasks are listed

// The numbers of tasks/count: their key, how it reads, and the status of the list that has such tasks.
const COUNTS = [['pending', 'Nobody works on them', 'pending'], ['processing', 'Under way', 'processing'], ['done_not_fetched', 'Done, not fetched', 'done'],
  ['done_fetched', 'Done and fetched', 'done'], ['failed', 'Failed', 'failed']];
// The message of id_list for each status, and the kind of its badge.
const STATUSES = { pending: ['Task In Queue.', 'queued'], processing: ['Task Handed.', 'inflight'], done: ['Ok.', 'done'], failed: ['Webhook Failed.', 'dead'] };

const statusOf = (task) => Object.keys(STATUSES).find((s) => STATUSES[s][0] === task.status) ?? 'done';

function taskList(status) {
  const example = `curl -u LOGIN:PASSWORD ${location.origin}/v3/serp/google/organic/task_post -d '[{"tag":"first","result":1}]'`;
  const list = table('Your newest tasks', [
    { title: 'Task', head: true, size: 'name', key: (t) => t.id, draw: (t) => data(t.id, 48) },
    { title: 'Set', key: (t) => t.datetime_posted, draw: (t) => time(moment(t.datetime_posted)) },
    { title: 'Done', wide: true, key: (t) => t.datetime_done, draw: (t) => time(t.datetime_done && moment(t.datetime_done)) },
    { title: 'Function', line: true, size: 'name', key: (t) => t.url, draw: (t) => data(t.url, 100) },
    { title: 'Tag', wide: true, size: 'name', key: (t) => t.metadata?.tag, draw: (t) => data(t.metadata?.tag, 60) },
    { title: 'Status', key: statusOf, draw: (t) => badge(statusOf(t), STATUSES[statusOf(t)][1]) },
  ], status ? el('p', null, `None of your newest ${NEWEST} tasks is ${status}.`) : el('div', null, el('p', null, 'There are no tasks yet. This sets one:'), el('pre', null, example)));
  const filters = el('nav', { class: 'pager', 'aria-label': 'Tasks by status' }, ['', ...Object.keys(STATUSES)].map((s) => el('a', { class: 'button', href: address('tasks', '', { status: s }), 'aria-current': s === status ? 'page' : null }, s || 'all')));
  return { nodes: [filters, ...list.nodes], update: (tasks) => list.update(tasks.filter((t) => !status || statusOf(t) === status)) };
}

export function account(route) {
  const status = Object.hasOwn(STATUSES, route.query.status ?? '') ? route.query.status : '';
  const newest = taskList(status);
  const cards = el('dl', { class: 'cards' });
  const resend = async (id) => {
    try {
      await call('appendix/webhook_resend', [{ id }]);
      say(`The webhooks of task ${id} are queued again.`);
    } catch (e) {
      say(`Not resent: ${e.message}`);
    }
    route.again();
  };
  const list = table('Failed webhooks', [
    { title: 'Task', head: true, size: 'name', key: (f) => f.task, draw: (f) => data(f.task, 48) },
    { title: 'Failed', key: (f) => f.datetime, draw: (f) => time(moment(f.datetime)) },
    { title: 'Webhook', wide: true, key: (f) => f.function, draw: (f) => data(f.function) },
    { title: 'URL', line: true, size: 'name', key: (f) => f.http_url, draw: (f) => data(f.http_url, 100) },
    { title: 'Reason', line: true, size: 'name', key: (f) => f.error_message, draw: (f) => data(f.error_message, 100) },
    { title: 'Answer', wide: true, size: 'name', key: (f) => f.http_response, draw: (f) => data(showLines(f.http_response ?? ''), 120) },
    { title: '', line: true, size: 'act', key: (f) => f.task, draw: (f) => button('Resend', () => resend(f.task), { 'aria-label': `Resend the webhooks of task ${f.task}` }) },
  ], el('p', null, 'No webhook of your tasks has failed in the last 7 days.'));

  async function refresh(signal) {
    const [counts, ids, failed] = await Promise.all([call('tasks/count', undefined, signal), call('serp/id_list', [{ limit: NEWEST, sort: 'desc', include_metadata: true }], signal),
      call('serp/errors', [{ limit: FAILED }], signal)]);
    const tasks = counts.result[0];
    fill(cards, tasks, () => COUNTS.map(([key, name, list]) => el('div', { class: key === 'failed' && tasks[key] ? 'bad' : null }, el('dt', null, name), el('dd', null, link(address('tasks', '', { status: list }), count(tasks[key]))))));
    newest.update(ids.result ?? []);
    const seen = new Map();
    list.update((failed.result ?? []).map((f) => {
      const key = `${f.id} ${f.datetime} ${f.function}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
      return { ...f, task: f.id, id: `${key} ${seen.get(key)}` };
    }));
  }
  return { title: 'Your tasks', refresh, every: 5000, nodes: [cards, ...newest.nodes, el('h2', null, 'Failed webhooks'), ...list.nodes] };
}
