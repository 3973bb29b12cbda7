"""Which tiles are scored next, and which frames are given up because not all can be judged in time."""

from __future__ import annotations

from bisect import insort
from collections import Counter, defaultdict

from pipeline.messages.domains import MAX_CAMERAS
from pipeline.worker.call_time import CallTime
from pipeline.worker.job import Job

CARE = 2.0
"""Calls vary, and one that ends late is in vain: where there is a choice they are expected to take so much longer."""
LATEST = 8
"""Frames of a camera over which its share is taken."""


class Schedule:
    """Frames under way, the earliest deadline first.

    While all of them can be judged in time nothing else matters. Where they cannot, frames that are not begun are given up
    until the rest can be, with time to spare. It is always the oldest frame of the camera of which most were judged lately.
    So what is kept is young, and every camera has the same share of its frames judged. A frame that is begun is given up only
    when its own time is too short.
    """

    def __init__(self, max_batch: int) -> None:
        self._max_batch = max_batch
        self.jobs: list[Job] = []
        self._paces: dict[int, CallTime] = defaultdict(CallTime)
        self._share: dict[str, float] = {}
        """By camera: of its latest frames, how many were begun."""
        self.given_up = self.too_large = 0

    def pace(self, job: Job) -> CallTime:
        """The pace of its engine."""
        return self._paces[id(job.model.engine)]

    @property
    def tiles(self) -> int:
        """Still to be taken."""
        return sum(job.left for job in self.jobs)

    def add(self, job: Job) -> None:
        """One more frame."""
        insort(self.jobs, job, key=lambda j: j.deadline_ns)

    def give_up(self, now_ns: int) -> list[Job]:
        """Let go of frames that can be judged no more, and of others until the rest can be; those that were let go."""
        for pace in self._paces.values():
            pace.forget(now_ns)
        gone = [job for job in self.jobs if now_ns + self._own_ns(job) > job.deadline_ns]
        for job in gone:
            self._remove(job)
        overloaded = self._first_late(now_ns, 1.0) is not None
        while overloaded and (late := self._first_late(now_ns, CARE)) is not None:
            waiting = [job for job in self.jobs[: late + 1] if not job.taken]
            oldest = max(waiting, key=lambda job: self._share.get(job.frame.camera, 0.0))  # the first of equals
            self._remove(oldest)
            gone.append(oldest)
        return gone

    def batch(self, now_ns: int) -> list[tuple[Job, int]]:
        """The frames of the next call, and how many tiles it takes of each.

        Frames of two engines, or mono and colour, do not share one; the first frame gets its scores in time, whoever shares it.
        """
        first = self.jobs[0]
        shares = [(first, min(self._max_batch, first.left))]
        most = self.pace(first).tiles((first.deadline_ns - now_ns) / CARE, self._max_batch)
        for job in self.jobs[1:]:
            room = most - sum(n for _, n in shares)
            if room <= 0 or job.model.engine is not first.model.engine or job.pixels.ndim != first.pixels.ndim:
                break
            shares.append((job, min(room, job.left)))
        for job, _ in shares:
            if not job.taken:
                self._count(job, 1.0)
        return shares

    def take_done(self) -> list[Job]:
        """Frames whose tiles are all taken; they are under way no longer."""
        done = [job for job in self.jobs if not job.left]
        self.jobs = [job for job in self.jobs if job.left]
        return done

    def _count(self, job: Job, begun: float) -> None:
        camera = job.frame.camera
        if camera not in self._share and len(self._share) >= MAX_CAMERAS:  # no line has so many: some are not its own
            self._share.clear()
        share = self._share.get(camera, 0.0)
        self._share[camera] = share + (begun - share) / LATEST

    def _own_ns(self, job: Job) -> float:
        return self.pace(job).ns(job.left, self._max_batch)

    def _first_late(self, now_ns: int, care: float) -> int | None:
        """Which is the first that would be late if all were judged in their order, and that some frame could make room for."""
        room = False
        before: Counter[int] = Counter()
        before_ns = 0.0
        for number, job in enumerate(self.jobs):
            room |= not job.taken
            if room and now_ns + care * before_ns + self._own_ns(job) > job.deadline_ns:
                return number
            engine = id(job.model.engine)
            before[engine] += job.left
            before_ns = sum(self._paces[e].ns(tiles, self._max_batch) for e, tiles in before.items())
        return None

    def _remove(self, job: Job) -> None:
        self.jobs.remove(job)
        self._count(job, 0.0)
        self.given_up += 1
        budget_ms = job.frame.budget_ms
        if budget_ms is not None and self.pace(job).ns(len(job.layout.tiles), self._max_batch) > budget_ms * 1e6:
            self.too_large += 1
