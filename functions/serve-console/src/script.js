// Keeps the page fresh and filters as one types. Without it the page is loaded again as a whole, and a form filters.
'use strict';

const seconds = Number(document.querySelector('main [data-fresh]')?.dataset.fresh ?? 0);

const filter = () => document.querySelector('input[name="filter"]');

function narrow() {
  const words = filter()?.value.trim().toLowerCase() ?? '';
  let shown = 0;
  for (const row of document.querySelectorAll('[data-name]')) {
    row.hidden = !row.dataset.name.includes(words);
    shown += row.hidden ? 0 : 1;
  }
  const none = document.querySelector('[data-none]');
  if (none) none.hidden = shown > 0;
}

function stale(is) {
  const note = document.querySelector('[data-stale]');
  if (note) note.hidden = !is;
}

async function renew() {
  if (document.hidden) return;
  const address = new URL(location.href);
  // All rows are fetched: the filter in the page is the one that counts.
  address.searchParams.delete('filter');
  address.searchParams.delete('waited');
  const answer = await fetch(address, { redirect: 'error', cache: 'no-store' }).catch(() => undefined);
  // A session that is over, and a path that IAM has yet to allow or does not allow, have pages of their own.
  if ([202, 401, 403].includes(answer?.status)) return location.reload();
  // Whatever else it is, the page stays as it was, says so, and asks again.
  if (answer?.status !== 200) return stale(true);
  stale(false);
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const [mine, theirs] = [document, page].map((one) => one.querySelector('[data-fresh]'));
  if (!theirs) return location.reload();
  const open = new Set([...mine.querySelectorAll('details[open]')].map((one) => one.id));
  const focused = document.activeElement?.closest('[data-fresh]') ? document.activeElement.getAttribute('href') : null;
  mine.replaceChildren(...theirs.childNodes);
  for (const one of mine.querySelectorAll('details')) one.open = open.has(one.id);
  if (focused) mine.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  narrow();
}

filter()?.addEventListener('input', narrow);
filter()?.form.addEventListener('submit', (event) => event.preventDefault());
if (seconds > 0) {
  setInterval(() => renew().catch(() => { /* The next time it is there again, or says why not. */ }), seconds * 1000);
  document.addEventListener('visibilitychange', () => renew().catch(() => {}));
}
