// Asking for a token. It is kept for this tab alone, and goes nowhere but into the header of the page's own requests.

const KEY = "ferrometer-token";

export function stored() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function keep(token) {
  try {
    if (token) sessionStorage.setItem(KEY, token);
    else sessionStorage.removeItem(KEY);
  } catch {
    // Without storage it is asked for again with the next load.
  }
}

/** Opens the dialog; `use(token)` gets what was typed. */
export function askForToken(message, use) {
  const dialog = document.getElementById("token");
  const [field, fault, form] = [dialog.querySelector("input"), dialog.querySelector(".fault"), dialog.querySelector("form")];
  keep(null);
  fault.textContent = message;
  field.setAttribute("aria-invalid", message ? "true" : "false");
  form.onsubmit = (event) => {
    event.preventDefault();
    const token = field.value.trim();
    // A text that cannot stand in a header can be no token.
    if (!/^[\x21-\x7e]+$/.test(token)) {
      fault.textContent = "A token is letters, digits and signs, without spaces.";
      field.setAttribute("aria-invalid", "true");
      return;
    }
    field.value = "";
    keep(token);
    dialog.close();
    use(token);
  };
  if (!dialog.open) dialog.showModal();
  field.focus();
}
