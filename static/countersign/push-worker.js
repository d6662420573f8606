// Runs in the browser when a message comes, also while no page is open. It fetches nothing and
// answers no page: what to show came encrypted with the message.
"use strict";

const ownPath = (path) => (typeof path === "string" && /^\/(?![/\\])/.test(path) ? path : "/");

self.addEventListener("push", (event) => {
  let news = {};
  try {
    news = event.data.json();
  } catch {
    // What cannot be read is told as such: browsers want each message to show something.
  }
  const show = self.registration.showNotification(news.title || "News from Countersign", {
    body: news.body || "",
    // A repeated message takes the place of the first.
    tag: news.id || "countersign",
    requireInteraction: news.urgent === true,
    data: { path: ownPath(news.path) },
  });
  event.waitUntil(show);
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(self.clients.openWindow(ownPath(event.notification.data?.path)));
});
