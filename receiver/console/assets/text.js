// Turns values into text that is safe and plain to read. No DOM here.

// Characters that are invisible, or that change how others are shown: controls, bidi marks, lone surrogates, odd line ends.
// Joiners (200C, 200D) stay, because words and emoji need them.
const HIDDEN = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;
const HIDDEN_IN_LINES = /(?![\u200c\u200d\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

function escaped(c) {
  const code = c.codePointAt(0);
  return code > 0xffff ? `\\u{${code.toString(16)}}` : '\\u' + code.toString(16).padStart(4, '0');
}

// One line of text. Hidden characters are shown as escapes, and what is longer than MAX is cut.
export function show(value, max = 400) {
  const text = String(value ?? '');
  const cut = text.length > max ? text.slice(0, max) + '…' : text;
  return cut.replace(HIDDEN, escaped);
}

// Many lines: line ends and tabs stay.
export function showLines(text) {
  return text.replaceAll('\r\n', '\n').replace(HIDDEN_IN_LINES, escaped);
}

// A value for a part of an address.
export const part = (value) => encodeURIComponent(String(value).replace(/\p{Cs}/gu, '\ufffd'));

export function count(n) {
  return n === null || n === undefined || n === '' || Number.isNaN(Number(n)) ? '–' : Number(n).toLocaleString('en');
}

export function seconds(s) {
  if (s === null || s === undefined) return '–';
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 60) return `${Math.round(s * 10) / 10} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

// Sends of a minute as sends per second.
export function perSecond(n) {
  if (n === null || n === undefined) return '–';
  const rate = n / 60;
  return rate === 0 ? '0' : rate < 0.1 ? '<0.1' : rate < 10 ? rate.toFixed(1) : count(Math.round(rate));
}

// Rounded down, so that 100 % means all.
export function percent(part, all) {
  return all ? `${Math.floor((1000 * part) / all) / 10} %` : '–';
}

// A word of a POSIX shell that is TEXT.
export const shellWord = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;

export const millis = (ms) => (ms === null || ms === undefined || ms < 0 ? '–' : ms < 1000 ? `${ms} ms` : seconds(ms / 1000));
export const delay = (ms) => (ms === null || ms === undefined ? '–' : ms ? `${ms} ms` : 'none');

// A moment is RFC 3339 or milliseconds since 1970. Returns a Date, or null.
export function moment(value) {
  if (value === null || value === undefined || value === '') return null;
  const date = new Date(/^\d+$/.test(value) ? Number(value) : value);
  return Number.isNaN(date.getTime()) ? null : date;
}

const two = (n) => String(n).padStart(2, '0');

// Hour and minute in the viewer's zone.
export const clock = (date) => (date ? `${two(date.getHours())}:${two(date.getMinutes())}` : '–');

// In the viewer's zone: the time alone if it is today.
export function local(date) {
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return date.toDateString() === new Date().toDateString() ? time : `${day} ${time}`;
}

// Indents JSON without reading its values: numbers keep every digit, and names that are there twice stay twice.
// Returns null if TEXT is no JSON.
export function indented(text) {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  let depth = 0;
  let out = '';
  const line = () => '\n' + '  '.repeat(Math.min(depth, 40));
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs)) {
    if (token === '{' || token === '[') {
      depth += 1;
      out += token + line();
    } else if (token === '}' || token === ']') {
      depth -= 1;
      out = /[{[]\s*$/.test(out.slice(-200)) ? out.trimEnd() + token : out + line() + token;
    } else {
      out += token === ',' ? token + line() : token === ':' ? ': ' : token;
    }
  }
  return out;
}

// What the banner says of an answer that lacks partitions; empty if it has all.
export function missingText(answer) {
  const missing = answer.missing ?? [];
  return missing.length ? `Not shown: what is in partition ${missing.map(count).join(', ')}. Its Redis does not answer, or an operator holds it.` : '';
}
