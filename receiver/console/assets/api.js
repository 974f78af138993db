// The calls of the operators' API, with the login of this tab.
//
// The login is kept in the tab's session storage: it survives a reload, and it ends with the tab or with "Log out". It is
// sent as a header that only this code adds, so no other site can make the browser send it.

const KEEP = 'hookpace.login';
const PATIENCE_MS = 15000;

// Why a call failed. KIND: 'away' (no answer), 'unavailable' (Redis), 'login', 'forbidden', 'no-call' (this version of the
// receiver does not have the call), 'refused'.
export class Failure extends Error {
  constructor(kind, message, status = 0, code = '') {
    super(message);
    Object.assign(this, { kind, status, code });
  }
}

export function logIn(name, password) {
  const bytes = new TextEncoder().encode(`${name}:${password}`);
  sessionStorage.setItem(KEEP, btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join('')));
}

export function logOut() {
  sessionStorage.removeItem(KEEP);
}

// FN is called with the failure when a call is refused because the login does not hold any more.
let onEnd = () => {};
export function whenSessionEnds(fn) {
  onEnd = fn;
}

export const hasLogin = () => sessionStorage.getItem(KEEP) !== null;

function failureOf(status, answer) {
  const error = answer?.error ?? answer ?? {};
  const message = error.message ?? `the receiver answered with status ${status}`;
  if (status === 401) return new Failure('login', message, status, error.code);
  if (status === 403) return new Failure('forbidden', message, status, error.code);
  if (status === 503) return new Failure('unavailable', message, status, error.code);
  // A path without a route answers in another form than a call that did not find something.
  if (status === 405 || (status === 404 && !answer?.error)) return new Failure('no-call', 'This version of the receiver does not have this call.', status);
  return new Failure('refused', message, status, error.code);
}

function failed(status, answer) {
  const failure = failureOf(status, answer);
  if (failure.kind === 'login') onEnd(failure);
  return failure;
}

// Sends a request and returns the Response, whatever its status. Throws if nothing answers.
async function send(method, path, body, signal) {
  const headers = {};
  const login = sessionStorage.getItem(KEEP);
  if (login) headers.Authorization = `Basic ${login}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const late = AbortSignal.timeout(PATIENCE_MS);
  try {
    // 'omit': the browser shows no window of its own when the login is wrong.
    return await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'omit', cache: 'no-store', redirect: 'error', signal: signal ? AbortSignal.any([signal, late]) : late });
  } catch (e) {
    if (signal?.aborted) throw e;
    throw new Failure('away', 'The receiver does not answer.');
  }
}

async function call(method, path, body, signal) {
  const response = await send(method, path, body, signal);
  let answer = null;
  try {
    answer = await response.json();
  } catch (e) {
    if (signal?.aborted) throw e;
    if (response.ok) throw new Failure('away', 'The answer broke off.');
  }
  if (!response.ok) throw failed(response.status, answer);
  return answer;
}

export const get = (path, signal) => call('GET', path, undefined, signal);
export const post = (path, body, signal) => call('POST', path, body, signal);

// As get, but null if the call is not there.
export async function getIfThere(path, signal) {
  try {
    return await get(path, signal);
  } catch (e) {
    if (e instanceof Failure && e.kind === 'no-call') return null;
    throw e;
  }
}

// The first MAX bytes of a body: {bytes, isCut, type}.
export async function getBytes(path, max, signal) {
  const response = await send('GET', path, undefined, signal);
  if (!response.ok) throw failed(response.status, await response.json().catch(() => null));
  const reader = response.body.getReader();
  const pieces = [];
  let length = 0;
  let isCut = false;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    length += value.length;
    if (length > max) {
      isCut = true;
      await reader.cancel();
      break;
    }
  }
  const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer()).subarray(0, max);
  return { bytes, isCut, type: response.headers.get('content-type') ?? '' };
}
