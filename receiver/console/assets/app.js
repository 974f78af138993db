// The frame around the views: which view the address names, the login, refreshing, and what is wrong at the moment.
//
// A view is a function of its route that returns {title, nodes, refresh(signal)}, and maybe `tools` (beside the title) and `every`
// (ms). `refresh` asks for what the view shows and changes the nodes in place. The banner shows what it throws, and the view keeps
// what it had.
import { Failure, get, hasLogin, logOut, whenSessionEnds } from './api.js';
import { address, button, closeWindows, el, fill } from './dom.js';
import { local, show } from './text.js';
import { loginView } from './login.js';
import { now } from './now.js';

const EVERY_MS = 3000;

// The first view comes with the page; the others are loaded when they are wanted.
const views = {
  now: { name: 'Now', load: async () => now },
  deliveries: { name: 'Deliveries', load: async () => (await import('./deliveries.js')).deliveries },
  dead: { name: 'Dead letters', load: async () => (await import('./dead.js')).dead },
  lanes: { name: 'Lanes', load: async () => (await import('./lanes.js')).lanes },
  sources: { name: 'Sources', load: async () => (await import('./sources.js')).sources },
  accounts: { name: 'Accounts', load: async () => (await import('./accounts.js')).accounts },
  jobs: { name: 'Jobs', load: async () => (await import('./jobs.js')).jobs },
  tasks: { name: 'Your tasks', roles: ['user'], load: async () => (await import('./account.js')).account },
  settings: { name: 'Settings', roles: ['admin', 'user'], load: async () => (await import('./settings.js')).settings },
  delivery: { load: async () => (await import('./delivery.js')).delivery },
  event: { load: async () => (await import('./delivery.js')).event },
  job: { load: async () => (await import('./jobs.js')).job },
};

// Views of one thing, and the view that lists such things.
const PARTS = { delivery: 'deliveries', event: 'deliveries', job: 'jobs' };

const OPERATORS = ['admin', 'viewer']; // who sees a view, unless it says otherwise
const maySee = (view) => (view.roles ?? OPERATORS).includes(me.role);

const main = document.getElementById('main');
const nav = document.getElementById('nav');
const who = document.getElementById('who');
const banner = document.getElementById('banner');
let me = null; // {account, role}
let wasShown = false;
let open = null; // {stop, refresh} of the view that is shown

function routeOf(hash) {
  const [path, query] = hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  const [name, arg] = path.split(/\/(.*)/s);
  let text = '';
  try {
    text = decodeURIComponent(arg ?? '');
  } catch {
    text = arg;
  }
  const isView = Object.hasOwn(views, name) && maySee(views[name]);
  return { name: isView ? name : me.role === 'user' ? 'tasks' : 'now', arg: text, query: Object.fromEntries(new URLSearchParams(query ?? '')) };
}

function showNav(current) {
  nav.hidden = who.hidden = !me;
  if (!me) return;
  fill(nav, [current, me.role], () => (Object.entries(views).filter(([, v]) => v.name && maySee(v))
    .map(([key, v]) => el('a', { href: address(key), 'aria-current': key === current || PARTS[current] === key ? 'page' : null }, v.name))));
  nav.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' }); // a phone shows a part of the views
  fill(who, me, () => [el('span', null, `${me.account} (${me.role})`), button('Log out', () => end(''))]);
}

function warn(text) {
  if (banner.textContent !== text) banner.textContent = text;
}

function end(reason) {
  logOut();
  me = null;
  warn('');
  showLogin(reason);
}

// The address stays as it is, so the same view comes back after the login.
function showLogin(reason) {
  stop();
  showNav(null);
  document.title = 'Log in – Hookpace';
  main.replaceChildren(...loginView(reason, start));
  main.querySelector('input').focus();
}

// A window belongs to the view that opened it.
function stop() {
  open?.stop();
  open = null;
  closeWindows();
}

whenSessionEnds((failure) => {
  if (me) end(failure.code === 'unauthorized' ? `Your session ended: ${failure.message}.` : failure.message);
});

const WHY = {
  away: 'The receiver does not answer.',
  unavailable: 'Redis does not answer, or a part of it. Webhooks are refused with 503 meanwhile, and senders repeat them.',
  forbidden: 'Your account may not see this.',
  'no-call': 'This version of the receiver does not have this call.',
};

function explain(failure, asOf) {
  if (!(failure instanceof Failure)) throw failure;
  if (failure.kind === 'login') return; // whenSessionEnds has shown the login
  const stale = asOf && ['away', 'unavailable'].includes(failure.kind) ? ` What you see is of ${local(asOf)}.` : '';
  const reason = failure.code === 'queue_unavailable' ? ` Reason: ${failure.message}.` : '';
  warn(show(`${WHY[failure.kind] ?? `This did not work: ${failure.message}.`}${reason}${stale}`, 600));
}

// Refreshes VIEW now, and again when the last answer is EVERY_MS old, as long as somebody looks.
function keep(view) {
  const gone = new AbortController();
  let timer = 0;
  let asOf = null;
  async function refresh() {
    clearTimeout(timer);
    try {
      const trouble = await view.refresh(gone.signal);
      if (gone.signal.aborted) return;
      asOf = new Date();
      warn(trouble ?? '');
    } catch (e) {
      if (gone.signal.aborted) return;
      explain(e, asOf);
    }
    main.setAttribute('aria-busy', 'false');
    if (!wasShown) performance.mark('shown'); // how long the first screen took
    wasShown = true;
    if (!gone.signal.aborted && view.every !== 0) timer = setTimeout(tick, view.every ?? EVERY_MS);
  }
  function tick() {
    if (document.hidden) timer = setTimeout(tick, 1000);
    else refresh();
  }
  main.setAttribute('aria-busy', 'true');
  refresh();
  return { refresh, stop: () => { gone.abort(); clearTimeout(timer); } };
}

async function showRoute() {
  if (!me) return;
  stop();
  const route = routeOf(location.hash);
  showNav(route.name);
  let make;
  try {
    make = await views[route.name].load();
  } catch {
    warn('The receiver does not answer. Reload the page when it is back.');
    return;
  }
  stop();
  const view = make({ ...route, mayAct: me.role === 'admin', account: me.account, again: () => open?.refresh() });
  document.title = `${show(view.title, 60)} – Hookpace`;
  const heading = el('h1', { tabindex: '-1' }, view.title);
  main.replaceChildren(el('div', { class: 'head' }, heading, view.tools), ...view.nodes);
  window.scrollTo(0, 0);
  if (hasMoved) heading.focus({ preventScroll: true });
  open = keep(view);
}

let hasMoved = false; // a first page keeps the focus where the browser has it

async function start() {
  try {
    me = await get('/api/me');
  } catch (e) {
    if (!(e instanceof Failure)) throw e;
    if (e.kind === 'login') {
      const was = hasLogin();
      logOut();
      showLogin(was ? e.message : '');
    } else {
      warn(`${WHY[e.kind] ?? e.message} Trying again.`);
      setTimeout(start, EVERY_MS);
    }
    return;
  }
  warn('');
  await showRoute();
}

addEventListener('hashchange', () => { hasMoved = true; showRoute(); });
document.addEventListener('visibilitychange', () => { if (!document.hidden) open?.refresh(); });
start();
