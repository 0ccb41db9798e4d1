"""Supervision of a training: handles signals that ask it to stop, and warns on standard error if it makes no progress.

Python runs its signal handlers between two instructions of the main thread. While the main thread waits for XLA there are none,
so a second thread listens too. It reports a signal at once, and ends the process if a second signal does not do so.
"""

import contextlib
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console

SECONDS_WITHOUT_PROGRESS = 180.0  # until the first warning; the next ones come after twice, four times, ... as long
SECONDS_OF_GRACE = 5.0  # from the second signal until the process is ended from outside the main thread
POLL_SECONDS = 0.5
SHOW_CURSOR = b"\x1b[?25h"
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Supervision:
    """State of a supervised run: the current activity, its start, and the signals that have arrived.

    Attributes:
      caught: names of SIGINT and SIGTERM, in order of arrival. Training ends after the current chunk if it is not empty.
    """

    def __init__(self, say: Callable[[str], None]):
        self.caught: list[str] = []
        self._say = say
        self._numbers: list[int] = []  # as the thread sees them
        self._die_at = float("inf")
        self.doing("starting")

    def doing(self, what: str, usual_seconds: float = 0.0) -> None:
        """Records the activity that begins now, such as "compiling". This counts as progress.

        Args:
          what: completes the sentence "stopping after ...".
          usual_seconds: duration of such an activity before; a warning comes after ten times as long at the earliest.
        """
        self._what, self._since, self._cpu = what, time.monotonic(), time.process_time()
        self._warn_after = max(SECONDS_WITHOUT_PROGRESS, 10.0 * usual_seconds)

    def _handle(self, number: int, _: object) -> None:
        """Handles a signal in the main thread."""
        if self.caught:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
        self.caught.append(signal.Signals(number).name)

    def _listen(self, receiver: socket.socket, forward: int) -> None:
        """Listens to signals in a thread, until the other end is closed."""
        while True:
            if select.select([receiver], [], [], POLL_SECONDS)[0]:
                content = receiver.recv(4096)
                if not content:
                    return
                if forward >= 0:
                    with contextlib.suppress(OSError):
                        os.write(forward, content)
                for number in content:
                    if number in SIGNALS:
                        self._arrived(number)
            now = time.monotonic()
            if now > self._die_at:
                self._die_at = float("inf")
                _end_process(self._numbers[-1])
            self._warn(now)

    def _arrived(self, number: int) -> None:
        self._numbers.append(number)
        if len(self._numbers) == 1:
            self._say(f"{signal.Signals(number).name}: stopping after {self._what}; a second signal stops it at once")
        elif len(self._numbers) == 2:
            self._die_at = time.monotonic() + SECONDS_OF_GRACE

    def _warn(self, now: float) -> None:
        passed = now - self._since
        if passed < self._warn_after:
            return
        self._warn_after = 2.0 * passed
        self._say(
            f"no progress for {passed:.0f} s, in which this process used {time.process_time() - self._cpu:.0f} s of CPU time; "
            f"the current activity is {self._what}. If it uses no CPU and no accelerator it hangs: two Ctrl-C or SIGTERM end it"
        )


@contextlib.contextmanager
def supervised(say: Callable[[str], None] | None = None) -> Iterator[Supervision]:
    """Collects SIGINT and SIGTERM instead of ending the process, and warns if there is no progress.

    The first signal is reported and recorded in ``caught``. A second one raises KeyboardInterrupt (SIGINT) or SystemExit
    (SIGTERM) in the main thread. Where that does not happen within five seconds, because the main thread waits for a program
    that does not end, the process is ended with status 128 + the signal's number. A notebook's kernel is not ended, since
    it can be restarted by hand. Outside the main thread no signal can be handled, so there are only warnings.

    Args:
      say: called with each message; prints to standard error by default.
    """
    console = Console(stderr=True)
    supervision = Supervision(say or (lambda message: console.print(message, highlight=False, markup=False, soft_wrap=True)))
    receiver, sender = socket.socketpair()
    receiver.setblocking(False)
    sender.setblocking(False)
    handles = threading.current_thread() is threading.main_thread()
    forward, previous = -1, dict[int, Any]()
    if handles:
        forward = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        previous = {number: signal.signal(number, supervision._handle) for number in SIGNALS}
    thread = threading.Thread(target=supervision._listen, args=(receiver, forward), name="jmeta-supervision", daemon=True)
    thread.start()
    try:
        yield supervision
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        if handles:
            signal.set_wakeup_fd(forward)
        sender.close()
        thread.join()
        receiver.close()
        if len(supervision._numbers) > 1:
            number = supervision._numbers[-1]
            threading.Thread(target=_end_with_main_thread, args=(number,), name="jmeta-exit", daemon=True).start()


def _end_with_main_thread(number: int) -> None:
    """Ends the process soon after its main thread: the interpreter's exit waits for programs of XLA that may never end."""
    while threading.main_thread().is_alive():
        time.sleep(POLL_SECONDS)
    time.sleep(SECONDS_OF_GRACE)
    _end_process(number)


def _end_process(number: int) -> None:
    """Ends this process, whatever its main thread waits for, and restores the terminal."""
    if "ipykernel" in sys.modules:
        return
    with contextlib.suppress(OSError):
        end = SHOW_CURSOR if os.isatty(2) else b""
        os.write(2, end + f"\nended by {signal.Signals(number).name}: what was under way did not stop\n".encode())
    os._exit(128 + number)
