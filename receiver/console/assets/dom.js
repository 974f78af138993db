// Makes elements. Text goes in as text only: there is no way to put HTML in here.
import { count, local, moment, part, show } from './text.js';

// el('p', {class: 'x', onclick: f}, 'text', child, null): names that begin with "on" are listeners; true is an empty attribute;
// false, null and undefined leave an attribute or a child out.
export function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : name === 'href' ? value : show(value, 2000));
  }
  node.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false).map((c) => (c instanceof Node ? c : show(c))));
  return node;
}

// What somebody else wrote: an id, a tag, a header. <bdi> keeps its direction apart from ours. A table may cut a long one, so the
// whole of it shows on hover.
export function data(value, max = 80) {
  const text = String(value ?? '');
  if (!text) return el('span', { class: 'none' }, '–');
  return el('bdi', text.length > Math.min(max, 16) ? { title: text } : null, show(text, max));
}

export const code = (value, max = 2000) => el('code', null, data(value, max));

// A moment in the viewer's zone, with UTC on hover.
export function time(value) {
  const date = moment(value);
  if (!date) return el('span', { class: 'none' }, '–');
  const utc = date.toISOString();
  return el('time', { datetime: utc, title: `${utc.replace('T', ' ').replace('Z', '')} UTC` }, local(date));
}

// "#/view/arg?query": QUERY is an object; empty values are left out.
export function address(view, arg, query) {
  const search = new URLSearchParams(Object.entries(query ?? {}).filter(([, v]) => v !== null && v !== undefined && v !== ''));
  return `#/${view}${arg ? '/' + part(arg) : ''}${search.size ? '?' + search : ''}`;
}

export const link = (to, ...children) => el('a', { href: to }, ...children);

export const button = (label, act, attributes) => el('button', { type: 'button', onclick: act, ...attributes }, label);

export const badge = (word, kind = word) => el('span', { class: `badge ${/^[a-z]+$/.test(kind) ? kind : ''}` }, word);

// Replaces what PARENT holds only if KEY differs from the last time, so that nothing flickers.
export function fill(parent, key, make) {
  const text = JSON.stringify(key);
  if (parent.dataset.key === text) return;
  const hadFocus = parent.contains(document.activeElement);
  parent.dataset.key = text;
  parent.replaceChildren(...[make()].flat().filter(Boolean));
  if (hadFocus) parent.querySelector('button, a, input')?.focus();
}

// A number, quiet if it is 0.
export const figureOf = (n) => el('span', { class: n ? null : 'zero' }, count(n));

export function setText(node, value) {
  const text = show(value);
  if (node.textContent !== text) node.textContent = text;
}

// Says something to people who look and to people who listen.
let forget = 0;
export function say(text) {
  const node = document.getElementById('said');
  clearTimeout(forget);
  node.textContent = '';
  setTimeout(() => { node.textContent = show(text); }, 30);
  forget = setTimeout(() => { node.textContent = ''; }, 6000);
}

// Closes every window, as if the person gave up.
export function closeWindows() {
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
}

let nextId = 0;

function fieldNode(field) {
  const id = `field-${nextId += 1}`;
  const input = field.options
    ? el('select', { id, name: field.name }, field.options.map((o) => el('option', { value: o }, o)))
    : el(field.lines ? 'textarea' : 'input', { id, name: field.name, type: field.lines ? null : 'text', autocomplete: 'off', spellcheck: 'false',
      rows: field.lines, 'aria-describedby': `${id}-help`, inputmode: field.inputmode });
  if (field.value !== undefined) input.value = field.value;
  return el('p', { class: 'field' }, el('label', { for: id }, field.label), input, field.help && el('small', { id: `${id}-help` }, field.help));
}

// Asks in a window of its own. ACT gets the fields' values; what it throws is shown and the window stays. The promise is true once
// ACT has succeeded, and false if the person gave up.
export function ask({ title, text, fields = [], yes, isDanger, act }) {
  return new Promise((resolve) => {
    const problem = el('p', { role: 'alert', class: 'problem' });
    const go = el('button', { class: isDanger ? 'danger' : 'main' }, yes);
    const heading = el('h2', { id: `ask-${nextId += 1}` }, title);
    let isDone = false;
    const submit = async (event) => {
      event.preventDefault();
      go.disabled = true;
      problem.textContent = '';
      try {
        await act(Object.fromEntries(fields.map((f) => [f.name, form.elements[f.name].value])));
        isDone = true;
        dialog.close();
      } catch (e) {
        problem.textContent = show(e.message, 1000);
      }
      go.disabled = false;
    };
    const form = el('form', { onsubmit: submit, novalidate: true }, heading, el('p', null, text), fields.map(fieldNode), problem,
      el('p', { class: 'buttons' }, go, button('Cancel', () => dialog.close())));
    const dialog = el('dialog', { 'aria-labelledby': heading.id, onclose: () => { dialog.remove(); resolve(isDone); } }, form);
    document.body.append(dialog);
    dialog.showModal();
    (form.querySelector('input, textarea, select') ?? go).focus();
  });
}
