// What a page may try against a server on this machine. attack() returns a line
// for each attempt: its name and the result. "read" is a failure of ours.
'use strict';

const PATIENCE = 4000;

function settle(start) {
  return new Promise((resolve) => {
    setTimeout(() => resolve('nothing came'), PATIENCE);
    try {
      Promise.resolve(start(resolve)).catch((error) => resolve('refused: ' + error.name));
    } catch (error) {
      resolve('refused: ' + error.name);
    }
  });
}

// judge tells what a page learns from the answer to a fetch.
async function judge(response) {
  if (response.type === 'opaque' || response.type === 'opaqueredirect') return 'opaque';
  return `read: ${response.status}, ${(await response.text()).length} characters`;
}

const fetching = (url, options) => async (done) => done(await judge(await fetch(url, options)));

function element(name, properties) {
  return (done) => {
    const made = document.createElement(name);
    Object.assign(made, properties);
    made.onload = () => done(`read: <${name}> loads`);
    made.onloadedmetadata = made.onload;
    made.onerror = () => done('refused: error');
    document.body.append(made);
  };
}

// framed waits for a frame to load, which it does whatever is in it, and looks in.
function framed(frame, done) {
  frame.onload = () => {
    let inside;
    try {
      inside = frame.contentDocument?.body?.innerText;
    } catch {}
    if (frame.src || frame.dataset.posted) done(inside ? `read: ${inside.length} characters` : 'opaque');
  };
}

function posted(action, enctype, body) {
  return (done) => {
    const frame = document.createElement('iframe');
    frame.name = 'f' + Math.random();
    document.body.append(frame);
    const form = document.createElement('form');
    Object.assign(form, { action, enctype, method: 'post', target: frame.name });
    const field = document.createElement('input');
    // As text/plain the body is name=value: JSON, with the equals sign in a string.
    [field.name, field.value] = [body.slice(0, -2) + ',"x":"', '"}'];
    form.append(field);
    document.body.append(form);
    frame.dataset.posted = 'yes';
    framed(frame, done);
    form.submit();
  };
}

function requested(method, url, headers, body) {
  return (done) => {
    const xhr = new XMLHttpRequest();
    xhr.open(method, url);
    xhr.withCredentials = true;
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    xhr.onload = () => done(`read: ${xhr.status}`);
    xhr.onerror = () => done('refused: error');
    xhr.send(body);
  };
}

async function attack({ origin, get, post, stream, key, body }) {
  const there = (path) => origin + path;
  const sent = (url) => '/redirect?to=' + encodeURIComponent(url);
  const bearer = { Authorization: 'Bearer ' + key };
  const text = { 'Content-Type': 'text/plain' };
  const json = { 'Content-Type': 'application/json' };
  const attempts = {
    'fetch': fetching(there(get)),
    'fetch with cookies': fetching(there(get), { credentials: 'include' }),
    'fetch no-cors': fetching(there(get), { mode: 'no-cors' }),
    'fetch no-cors with cookies': fetching(there(get), { mode: 'no-cors', credentials: 'include' }),
    'fetch with a key': fetching(there(get), { headers: bearer }),
    'fetch no-cors with a key': fetching(there(get), { mode: 'no-cors', headers: bearer }),
    'fetch into the private network': fetching(there(get), { targetAddressSpace: 'loopback', headers: bearer }),
    'fetch text/plain': fetching(there(post), { method: 'POST', headers: text, body }),
    'fetch text/plain no-cors': fetching(there(post), { method: 'POST', mode: 'no-cors', headers: text, body }),
    'fetch text/plain, kept alive': fetching(there(post), { method: 'POST', mode: 'no-cors', keepalive: true, headers: text, body }),
    'fetch JSON': fetching(there(post), { method: 'POST', headers: json, body }),
    'fetch JSON with a key': fetching(there(post), { method: 'POST', headers: { ...json, ...bearer }, body }),
    'fetch DELETE': fetching(there(get), { method: 'DELETE' }),
    'fetch that is redirected': fetching(sent(there(get))),
    'fetch that is redirected, no-cors': fetching(sent(there(get)), { mode: 'no-cors' }),
    'fetch with a key that is redirected': fetching(sent(there(get)), { headers: bearer }),
    'POST that is redirected': fetching(sent(there(post)), { method: 'POST', mode: 'no-cors', headers: text, body }),
    'XMLHttpRequest': requested('GET', there(get), {}),
    'XMLHttpRequest with a key': requested('POST', there(post), { ...json, ...bearer }, body),
    'form text/plain': posted(there(post), 'text/plain', body),
    'form multipart': posted(there(post), 'multipart/form-data', body),
    'form that is redirected': posted(sent(there(post)), 'text/plain', body),
    'beacon': (done) => done(navigator.sendBeacon(there(post), new Blob([body], { type: 'text/plain' })) ? 'opaque' : 'refused: false'),
    'beacon JSON': (done) => done(navigator.sendBeacon(there(post), new Blob([body], { type: 'application/json' })) ? 'opaque' : 'refused: false'),
    'img': element('img', { src: there(get) }),
    'img with a name and password': element('img', { src: there(get).replace('//', `//x:${key}@`) }),
    'img that is redirected': element('img', { src: sent(there(get)) }),
    'script': element('script', { src: there(get) }),
    'module': (done) => import(there(get)).then(() => done('read: module')),
    'stylesheet': element('link', { rel: 'stylesheet', href: there(get) }),
    'video': element('video', { src: there(get), preload: 'auto' }),
    'preload': element('link', { rel: 'preload', as: 'fetch', crossOrigin: 'use-credentials', href: there(get) }),
    'iframe': (done) => {
      const frame = document.createElement('iframe');
      frame.src = there(get);
      framed(frame, done);
      document.body.append(frame);
    },
    'EventSource': (done) => {
      const source = new EventSource(there(stream), { withCredentials: true });
      source.onopen = source.onmessage = () => done('read: EventSource opens');
      source.onerror = () => { source.close(); done('refused: error'); };
    },
    'WebSocket': (done) => {
      const socket = new WebSocket(there(stream).replace('http', 'ws'), ['openai-insecure-api-key.' + key]);
      socket.onopen = () => done('read: WebSocket opens');
      socket.onerror = () => done('refused: error');
    },
    'worker': (done) => {
      const worker = new Worker(URL.createObjectURL(new Blob([`
        fetch(${JSON.stringify(there(get))}).then((r) => r.text()).then((t) => postMessage('read: ' + t.length), (e) => postMessage('refused: ' + e.name));`])));
      worker.onmessage = ({ data }) => done(data);
    },
    'service worker from there': async (done) => {
      await navigator.serviceWorker.register(there('/sw.js'));
      done('read: service worker');
    },
    'service worker from here': async (done) => {
      await navigator.serviceWorker.register('/sw.js');
      const { active } = await navigator.serviceWorker.ready;
      const channel = new MessageChannel();
      channel.port1.onmessage = ({ data }) => done(data);
      active.postMessage({ url: there(get), key }, [channel.port2]);
    },
  };
  const lines = await Promise.all(Object.entries(attempts).map(
    async ([name, start]) => `${name}: ${await settle(start)}`));
  return lines;
}
