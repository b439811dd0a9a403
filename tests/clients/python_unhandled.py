"""Dies of an error that nobody caught, as a program in production does."""

import os

import sentry_sdk

sentry_sdk.init(
    dsn=os.environ["SENTRY_DSN"],
    release="web@1.2.4+78",
    environment="production",
    shutdown_timeout=20,
)
sentry_sdk.set_tag("cell", "eu-2")


def decode_frame(bytes_read):
    return bytes_read[7]


def read_connection():
    return decode_frame(b"short")


read_connection()
