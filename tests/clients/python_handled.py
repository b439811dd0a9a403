"""Sends one error that was caught, and three finished sessions, one of which saw that error."""

import os

import sentry_sdk
from sentry_sdk.sessions import track_session

sentry_sdk.init(
    dsn=os.environ["SENTRY_DSN"],
    release="web@1.2.3+77",
    environment="production",
    shutdown_timeout=20,
)


def read_basket(basket):
    return basket["items"]


for number in range(3):
    scope = sentry_sdk.get_isolation_scope()
    scope.set_tag("cell", "eu-1")
    with track_session(scope, session_mode="application"):
        if number == 0:
            try:
                read_basket({})
            except KeyError as error:
                sentry_sdk.capture_exception(error)

sentry_sdk.flush(timeout=20)
print("sent")
