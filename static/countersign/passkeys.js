// Passkeys, and code fields that submit themselves. Pages work without this for codes.
//
// <form data-passkey="URL">, or data-passkey-create for a new one, with a <button type="button"
// data-passkey-button hidden>: a click sends the form to URL, hands the options that come back to
// the browser, and submits the form with what the passkey signed.
"use strict";

(() => {
  const host = location.hostname;
  const isNumber = /^[\d.]+$/.test(host) || host.startsWith("[");
  const usable = Boolean(window.PublicKeyCredential && window.isSecureContext && !isNumber);

  const FORMS = "form[data-passkey], form[data-passkey-create]";
  const NO_ANSWER = "Countersign does not answer at the moment. Nothing was sent: try again.";
  const STALE =
    "You were signed out, or this page is too old. Nothing was decided or changed, and what you " +
    "typed is kept.";

  const decoded = (text) => {
    const plain = text.replace(/-/g, "+").replace(/_/g, "/");
    return Uint8Array.from(atob(plain), (character) => character.charCodeAt(0));
  };
  const encoded = (buffer) => {
    const text = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
    return btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };
  const withIds = (list) => (list || []).map((one) => ({ ...one, id: decoded(one.id) }));

  const requestOptions = (options) =>
    PublicKeyCredential.parseRequestOptionsFromJSON
      ? PublicKeyCredential.parseRequestOptionsFromJSON(options)
      : {
          ...options,
          challenge: decoded(options.challenge),
          allowCredentials: withIds(options.allowCredentials),
        };
  const creationOptions = (options) =>
    PublicKeyCredential.parseCreationOptionsFromJSON
      ? PublicKeyCredential.parseCreationOptionsFromJSON(options)
      : {
          ...options,
          challenge: decoded(options.challenge),
          user: { ...options.user, id: decoded(options.user.id) },
          excludeCredentials: withIds(options.excludeCredentials),
        };

  const asJSON = (credential) => {
    try {
      return JSON.stringify(credential.toJSON());
    } catch {
      // Older browsers, and password managers that stand in for the browser.
      const response = { clientDataJSON: encoded(credential.response.clientDataJSON) };
      for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
        const value = credential.response[name];
        if (value) response[name] = encoded(value);
      }
      return JSON.stringify({
        id: credential.id,
        rawId: encoded(credential.rawId),
        type: credential.type,
        clientExtensionResults: credential.getClientExtensionResults(),
        response,
      });
    }
  };

  const why = (error, creates) =>
    ({
      NotAllowedError: creates
        ? "No passkey was made: it was cancelled, took too long, or this device cannot keep one. " +
          "Try again, or use another way."
        : "No passkey was used: it was cancelled, took too long, or there is none for this " +
          "dashboard on this device. Try again, or use another way.",
      InvalidStateError: "This device has a passkey for your account here already.",
      SecurityError:
        "The browser allows no passkeys at this address. Open the dashboard at the address that " +
        "it was set up for.",
      NotSupportedError: "This device cannot make such a passkey. Use another one.",
      AbortError: "It was interrupted. Try again.",
    })[error.name] || `The passkey could not be used (${error.name}). Try again.`;

  const say = (form, text) => {
    const place = form.querySelector("[data-passkey-error]");
    if (!place) return;
    place.textContent = text;
    place.hidden = !text;
    if (text === STALE) place.append(" ", wayBack());
  };

  // Signing in leads back to this page; what was typed waits in this tab. Codes do not.
  const TYPED = "textarea, input[type=text]:not(.code-input)";
  const KEPT = `typed ${location.pathname}`;
  const wayBack = () => {
    const here = location.pathname + location.search;
    const link = document.createElement("a");
    const signIn = document.body.dataset.signIn;
    const isSignIn = !signIn || location.pathname === signIn;
    link.href = isSignIn ? here : `${signIn}?next=${encodeURIComponent(here)}`;
    link.textContent = isSignIn ? "Load it again" : "Sign in and come back here";
    link.addEventListener("click", () => {
      const typed = Array.from(document.querySelectorAll(`:is(${TYPED})[name]`))
        .filter((field) => field.value !== field.defaultValue)
        .map((field) => [field.name, field.value]);
      sessionStorage.setItem(KEPT, JSON.stringify(typed));
    });
    return link;
  };
  const giveBack = () => {
    const kept = sessionStorage.getItem(KEPT);
    if (!kept) return;
    sessionStorage.removeItem(KEPT);
    for (const [name, value] of JSON.parse(kept)) {
      for (const field of document.getElementsByName(name)) {
        if (field.matches(TYPED) && !field.value) field.value = value;
      }
    }
  };
  const fill = (form, name, value) => {
    let field = form.querySelector(`input[type="hidden"][name="${CSS.escape(name)}"]`);
    if (!field) {
      field = document.createElement("input");
      field.type = "hidden";
      field.name = name;
      form.append(field);
    }
    field.value = value;
  };

  // The sentence that the server refuses with, or what it offers.
  const ask = async (form, url) => {
    let answer;
    try {
      answer = await fetch(url, {
        method: "POST",
        body: new FormData(form),
        headers: { Accept: "application/json" },
        credentials: "same-origin",
        redirect: "manual",
      });
    } catch {
      return { error: NO_ANSWER };
    }
    // Sent elsewhere, to sign in.
    if (answer.type === "opaqueredirect") return { error: STALE };
    try {
      return await answer.json();
    } catch {
      return { error: answer.status === 403 ? STALE : NO_ANSWER };
    }
  };

  const busy = new WeakSet();
  const answered = new WeakSet();

  const touch = async (form) => {
    if (busy.has(form) || !form.reportValidity()) return;
    busy.add(form);
    const button = form.querySelector("[data-passkey-button]");
    button?.setAttribute("aria-busy", "true");
    say(form, "");
    const creates = "passkeyCreate" in form.dataset;
    try {
      const offer = await ask(form, form.dataset.passkeyCreate || form.dataset.passkey);
      if (!offer.options) {
        say(form, offer.error || NO_ANSWER);
        return;
      }
      const credential = creates
        ? await navigator.credentials.create({ publicKey: creationOptions(offer.options) })
        : await navigator.credentials.get({ publicKey: requestOptions(offer.options) });
      for (const [name, value] of Object.entries(offer.fields || {})) fill(form, name, value);
      fill(form, creates ? "credential" : "assertion", asJSON(credential));
      answered.add(form);
      form.requestSubmit();
    } catch (error) {
      say(form, why(error, creates));
    } finally {
      busy.delete(form);
      button?.removeAttribute("aria-busy");
    }
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-passkey-button]");
    const form = button?.closest(FORMS);
    if (form) touch(form);
  });
  // Enter in a field of such a form means its button, where the form has no other.
  document.addEventListener(
    "submit",
    (event) => {
      const form = event.target;
      if (!form.matches(FORMS) || answered.delete(form) || event.submitter) return;
      event.preventDefault();
      event.stopPropagation();
      if (usable) touch(form);
    },
    true,
  );

  // A code is sent once, and never an empty one: its refusal would hide what was said before.
  const sent = new WeakSet();
  document.addEventListener(
    "submit",
    (event) => {
      const form = event.target;
      const code = form.querySelector("input[data-submits]");
      if (!code || event.defaultPrevented) return;
      const touched = form.querySelector("input[name=assertion]")?.value;
      const empty = code.required && !code.value.trim() && !touched;
      if (empty || sent.has(form)) {
        event.preventDefault();
        event.stopPropagation();
        if (empty) code.reportValidity();
        return;
      }
      sent.add(form);
      // Whoever stopped the page from loading can send again.
      setTimeout(() => sent.delete(form), 4000);
    },
    true,
  );

  const submitted = new WeakSet();
  document.addEventListener("input", (event) => {
    const field = event.target;
    if (!field.matches?.("input[data-submits]") || !field.form) return;
    if (!/^\d{6}$/.test(field.value.replace(/\s/g, ""))) return;
    const other = field.dataset.submitsWith && document.querySelector(field.dataset.submitsWith);
    if (other && !other.value.trim()) return;
    if (submitted.has(field.form) || !field.form.checkValidity()) return;
    submitted.add(field.form);
    field.form.requestSubmit(field.form.querySelector("button:not([type=button])"));
  });
  // Going back shows the page as it was left: its fields work again.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });

  const reveal = (root) => {
    const wanted = usable ? "[data-passkey-button]" : "[data-passkey-missing]";
    for (const one of root.querySelectorAll(wanted)) one.hidden = false;
  };
  reveal(document);
  document.addEventListener("htmx:load", (event) => reveal(event.target));
  giveBack();
})();
