// Only improves what already works without it: tells the server the reader's zone, and copies commands.
"use strict";
const zone = String(-new Date().getTimezoneOffset());
if (!document.cookie.split("; ").includes("zone=" + zone)) {
  document.cookie = "zone=" + zone + "; path=/; max-age=31536000; samesite=lax";
}
for (const row of document.querySelectorAll(".copy-row")) {
  const code = row.querySelector("code");
  if (!code || !navigator.clipboard) continue;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  });
  row.append(button);
}
