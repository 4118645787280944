"""Leaving on a graceful stop: the activity is tried again elsewhere at once, and it is no failure."""

from __future__ import annotations

from datetime import timedelta

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory


def handed_over(reason: str, delay: timedelta = timedelta(milliseconds=1)) -> ApplicationError:
    """The benign error that makes Temporal start the next attempt after `delay`, on any worker that polls."""
    return ApplicationError(reason, type="HandedOver", next_retry_delay=delay, category=ApplicationErrorCategory.BENIGN)
