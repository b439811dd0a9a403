// Dies of an error that nobody caught; the session of this process ends as crashed.
import * as Sentry from "@sentry/node";

Sentry.init({ dsn: process.env.SENTRY_DSN, release: "web@2.0.1", environment: "production", shutdownTimeout: 20000 });
Sentry.setTag("cell", "us-2");

function decodeFrame(bytes) {
  throw new RangeError(`no byte ${bytes.length + 2} in a frame of ${bytes.length}`);
}

function readConnection() {
  return decodeFrame([1, 2, 3, 4, 5]);
}

readConnection();
