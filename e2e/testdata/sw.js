'use strict';

self.onmessage = async ({ data: { url, key }, ports }) => {
  try {
    const response = await fetch(url, { headers: { Authorization: 'Bearer ' + key } });
    ports[0].postMessage('read: ' + response.status);
  } catch (error) {
    ports[0].postMessage('refused: ' + error.name);
  }
};
