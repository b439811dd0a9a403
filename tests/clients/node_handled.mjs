// Sends one error that was caught; the session of this process ends well.
import * as Sentry from "@sentry/node";

Sentry.init({ dsn: process.env.SENTRY_DSN, release: "web@2.0.0", environment: "production" });
Sentry.setTag("cell", "us-1");

function readBasket(basket) {
  return basket.items.length;
}

try {
  readBasket({});
} catch (error) {
  Sentry.captureException(error);
}
await Sentry.flush(20000);
console.log("sent");
