"""An HTTP client on one kept connection that repeats a request until it is answered."""

import http.client
import threading
import time


class NoAnswer(Exception):
    pass


class Client:
    TRY_AGAIN = {500, 502, 503, 504}  # 500 is how /streams says that the outcome is unknown

    def __init__(self, target, stop=None, patience=60):
        self._target, self._patience = target, patience
        self._stop = stop or threading.Event()
        self._connection = None
        self.retries = 0

    def once(self, method, path, body=None, headers=None):
        """(status, headers, body); OSError or HTTPException when there was no answer."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._target, timeout=30)
        try:
            self._connection.request(method, path, body, headers or {})
            response = self._connection.getresponse()
            return response.status, response.headers, response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def close(self):
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def until_answered(self, method, path, body=None, headers=None):
        """Only for requests that may be repeated."""
        deadline = time.monotonic() + self._patience
        pause = 0.01
        while True:
            try:
                answer = self.once(method, path, body, headers)
                if answer[0] not in self.TRY_AGAIN:
                    return answer
                reason = f"status {answer[0]}"
            except (OSError, http.client.HTTPException) as error:
                reason = repr(error)
            if time.monotonic() > deadline:
                raise NoAnswer(f"{method} {path}: {reason}")
            self.retries += 1
            time.sleep(pause)
            pause = min(pause * 2, 0.5)
