"""Errors of a request, in OpenAI's error shape.

Owns status, text and code of each refusal. Leaves out where they are raised.
"""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An answer other than 200: `status` is HTTP's, `retry_after` in seconds."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """The JSON body that OpenAI's clients read."""
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        if self.status == 429:
            kind = "rate_limit_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def headers(self) -> dict[str, str]:
        """The Retry-After header where the client should retry."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


class WeightsError(ValueError):
    """Weights that cannot be served. The message says what is wrong with the folder, and what to do."""
