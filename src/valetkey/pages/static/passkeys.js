// Asks the browser for a passkey, and sends what it signed with the form around the button.
// This is our only script: without it passwords do.

const decoded = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));

const encoded = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const known = (list = []) => list.map((one) => ({ ...one, id: decoded(one.id) }));

// The options as they came in JSON, with bytes where the browser wants bytes (WebAuthn 5.1.10).
function options(kind, text) {
  const given = JSON.parse(text);
  const made = { ...given, challenge: decoded(given.challenge) };
  if (kind === "get") return { ...made, allowCredentials: known(given.allowCredentials) };
  const user = { ...given.user, id: decoded(given.user.id) };
  return { ...made, user, excludeCredentials: known(given.excludeCredentials) };
}

// What the browser made, as JSON (WebAuthn 5.1, RegistrationResponseJSON and AuthenticationResponseJSON).
function sent(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = encoded(credential.response[name]);
  }
  return JSON.stringify({ id: credential.id, rawId: encoded(credential.rawId), type: credential.type, response });
}

function fill(form, name, value) {
  const field = document.createElement("input");
  Object.assign(field, { type: "hidden", name, value });
  form.append(field);
}

async function press(place, button) {
  for (const field of button.form.querySelectorAll("[data-first]")) if (!field.reportValidity()) return false;
  const kind = place.dataset.passkey;
  const credential = await navigator.credentials[kind]({ publicKey: options(kind, place.dataset.options) });
  fill(button.form, "passkey", sent(credential));
  if (button.name) fill(button.form, button.name, button.value);
  button.form.submit(); // not requestSubmit: the fields that a password would need may stay empty
  return true;
}

const WHY = {
  InvalidStateError: "There is a passkey for this on your device already.",
  SecurityError: "Your browser makes no passkeys for this address.",
};

function ready(place) {
  const button = place.querySelector("button");
  const said = place.querySelector("[data-said]");
  button.addEventListener("click", async () => {
    button.disabled = true;
    said.textContent = "";
    try {
      button.disabled = await press(place, button);
    } catch (error) {
      said.textContent = WHY[error.name] ?? "No passkey was used. You can try again.";
      button.disabled = false;
    }
  });
  place.hidden = false;
}

if (window.PublicKeyCredential) {
  document.querySelectorAll("[data-passkey]").forEach(ready);
  document.querySelectorAll(".or").forEach((one) => (one.hidden = false));
}
