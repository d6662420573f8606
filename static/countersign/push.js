// Has this browser told of news, also while no page is open.
//
// <form data-push="KEY" data-push-worker="URL">, with a hidden field and a <button type="button"
// data-push-button hidden>: a click asks the browser, and submits the form with what it hands over.
"use strict";

(() => {
  const form = document.querySelector("form[data-push]");
  if (!form) return;
  const button = form.querySelector("[data-push-button]");
  const words = form.querySelector("[data-push-words]");

  const say = (text) => {
    words.textContent = text;
    words.hidden = false;
  };

  if (!("serviceWorker" in navigator && "PushManager" in window && "Notification" in window)) {
    say("This browser has no notifications of this kind, or allows none at this address.");
    return;
  }
  button.hidden = false;

  const decoded = (text) => {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (character) => character.charCodeAt(0));
  };

  const active = (registration) =>
    new Promise((resolve) => {
      const worker = registration.installing || registration.waiting || registration.active;
      if (worker.state === "activated") resolve();
      worker.addEventListener("statechange", () => {
        if (worker.state === "activated") resolve();
      });
    });

  const subscribed = async () => {
    const url = form.dataset.pushWorker;
    const scope = url.slice(0, url.lastIndexOf("/") + 1);
    const registration = await navigator.serviceWorker.register(url, { scope });
    await active(registration);
    const options = { userVisibleOnly: true, applicationServerKey: decoded(form.dataset.push) };
    try {
      return await registration.pushManager.subscribe(options);
    } catch (error) {
      // It is subscribed with other keys, from before this dashboard was set up anew.
      const former = await registration.pushManager.getSubscription();
      if (!former) throw error;
      await former.unsubscribe();
      return registration.pushManager.subscribe(options);
    }
  };

  button.addEventListener("click", async () => {
    button.disabled = true;
    say("Asking the browser …");
    if ((await Notification.requestPermission()) !== "granted") {
      say("The browser does not allow it. Allow notifications in its settings for this page.");
      button.disabled = false;
      return;
    }
    try {
      form.elements.subscription.value = JSON.stringify(await subscribed());
      form.submit();
    } catch (error) {
      say(`The browser could not subscribe: ${error.message}`);
      button.disabled = false;
    }
  });
})();
